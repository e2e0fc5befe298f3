"""What holds for all tests."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from beambell.labeling import patterns

# CI has two busy cores: how long an example takes says nothing about the code.
settings.register_profile("beambell", deadline=None)
settings.load_profile("beambell")

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DVC_NO_ANALYTICS"] = "true"


@pytest.fixture(params=["numpy", "machine code"], scope="module")
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever holds of packed patterns holds however few there are: with either set of loops."""
    with pytest.MonkeyPatch.context() as patch:
        for least in ("_WORTH_LOADING", "_WORTH_IMPORTING"):
            patch.setattr(patterns, least, sys.maxsize if request.param == "numpy" else 0)
        yield


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """An S3 API on loopback with a bucket, told to everybody by the environment alone."""
    s3fs = pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    import fsspec
    from moto.backends import get_backend
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        yield fsspec.filesystem("s3", use_listings_cache=False)
    s3fs.S3FileSystem.clear_instance_cache()  # they keep the address of the server
    server.stop()
    get_backend("s3").reset()  # servers of one process share what they hold
