"""The machine's load must not decide a law."""

from hypothesis import HealthCheck, settings

settings.register_profile("records", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("records")
