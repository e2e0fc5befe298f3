"""What holds for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from object_store import object_store
from projects import run_stages, small_project

from beambell import Project
from beambell.state import patterns

# CI has two busy cores: how long an example takes says nothing about the code.
settings.register_profile("beambell", deadline=None)
settings.load_profile("beambell")

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DVC_NO_ANALYTICS"] = "true"


#: Files of tests that take minutes: whoever runs two files at a time should not be left with one of them at the end.
LONG = ("test_airflow.py", "test_dvc.py", "test_damage.py", "test_lf_ends.py", "test_apart.py", "test_output.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files."""
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONG)))


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

    with object_store("test", "test") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        yield fsspec.filesystem("s3", use_listings_cache=False)
        s3fs.S3FileSystem.clear_instance_cache()  # they keep the address of the server


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of three days, run to the end; not to be changed."""
    folder = small_project(tmp_path_factory.mktemp("finished"))
    run_stages(folder)
    return Project(folder)
