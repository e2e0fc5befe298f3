"""Servers on this machine alone, for tests, `make flink` and `make live`: a Kafka broker, a Flink cluster.

Each is a class with ``start``, ``stop``, ``kill`` and ``restart``, and a context manager: what it started ends with it,
also where the process that started it is killed. They listen on loopback, as far as they can be told:
Beam's job server, and its ports for workers while a job runs, take any interface. None asks who is there.
"""
