"""Servers on this machine alone, for tests, `make flink` and `make live`: a Kafka broker, a Flink cluster.

Each is a class with ``start``, ``stop``, ``kill`` and ``restart``, and a context manager: what it started ends with it,
also where the process that started it is killed. All listen on loopback; none asks who is there.
"""
