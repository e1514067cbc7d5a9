"""The list of models for boards agrees with the catalogue, and names what `models pull` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.core.errors import ConfigError
from edge_rt.models.catalogue import TASKS, SuggestedModel, load_catalogue, load_suggestions
from edge_rt.models.naming import HubName, is_hub_name

MODELS = load_suggestions()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_name_is_one_that_can_be_pulled(model: SuggestedModel) -> None:
    if is_hub_name(model.name):
        named = HubName.parse(model.name)
        assert named.repository == model.card
        assert named.wanted
        return
    entry = load_catalogue().get(model.name)
    assert entry.pullable
    assert (entry.bytes, entry.licence) == (model.bytes, model.licence)


def test_each_model_of_the_catalogue_is_suggested() -> None:
    assert {entry.id for entry in load_catalogue()} <= {model.name for model in MODELS}


def test_each_task_has_models_from_the_smallest_on() -> None:
    for task in TASKS:
        sizes = [model.bytes for model in MODELS if task in model.tasks]
        assert sizes
        assert sizes == sorted(sizes)


def test_a_faulty_list_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.yaml"
    path.write_text("models: [{name: a, tasks: [poetry]}]")
    with pytest.raises(ConfigError) as caught:
        load_suggestions(path)
    assert str(path) in str(caught.value)
