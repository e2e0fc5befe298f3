"""The stages: what each would do, and the driver-side ones themselves."""
