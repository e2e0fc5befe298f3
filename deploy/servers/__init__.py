"""Servers on this machine alone, for tests, `make flink` and `make live`: a Kafka broker, a Flink cluster.

Each is a class with ``start``, ``stop``, ``kill`` and ``restart``, and a context manager: what it started ends with it,
also where the process that started it is killed. They listen on loopback, except Beam's job server, which
takes any interface whatever it is told. None asks who is there.
"""
