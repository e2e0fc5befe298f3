"""Versions by the names that people give them."""

from __future__ import annotations

import pytest
from projects import run_stages, small_project

from beambell import Project
from beambell.errors import RegistryError, UsageError
from beambell.registry.versions import named_version, register, versions


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with one registered version."""
    folder = small_project(tmp_path_factory.mktemp("registry") / "p", days=2, scale=0.03)
    run_stages(folder)
    return Project(folder)


@pytest.mark.parametrize("name", [None, "1", "v1", "spam@v1", "spam@1", "v0001"])
def test_every_spelling_of_a_version_finds_it(project, name):
    assert named_version(project, name).name == "spam@v1"


@pytest.mark.parametrize("name", ["", "v", "spam", "spam@", "1.0", "v-1", "../v1", "spam@v1/../v1", "1" * 10])
def test_what_is_no_name_of_a_version_is_said(project, name):
    with pytest.raises(UsageError, match="is not a version"):
        named_version(project, name)


@pytest.mark.parametrize(("name", "has"), [("v2", "v1"), ("ham@v1", "none")])
def test_a_version_that_there_is_not_is_said_with_those_there_are(project, name, has):
    with pytest.raises(RegistryError, match="there is no version") as raised:
        named_version(project, name)
    assert has in str(raised.value.fix)


def test_a_version_has_on_record_what_it_was_made_from(project):
    (version,) = versions(project)
    labels = project.store.partitions("published")
    assert version.lineage["labels"] == {str(partition): manifest.id for partition, manifest in labels.items()}
    assert version.lineage["lfs"].keys() <= set(project.catalogue.names)
    assert {model["kind"] for model in version.lineage["label_models"].values()} == {project.params.label_model.kind}
    assert version.metrics["labels"]["rows"] > 0


def test_a_model_that_is_registered_already_is_not_registered_again(project):
    model = project.store.require("models/candidate", "")
    evaluation = project.store.read("evaluation")
    assert register(project, model, evaluation) == versions(project)[-1]
