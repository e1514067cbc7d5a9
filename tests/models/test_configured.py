"""What a configuration says of models works here, or the key and the reason are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.config.caching import Cache, Semantic
from edge_rt.config.schema import Config, Models
from edge_rt.models.configured import model_faults


def faults(**models: object) -> list[tuple[tuple[str | int, ...], str]]:
    return list(model_faults(Config(models=Models(**models))))  # type: ignore[arg-type]


def test_the_defaults_work(tmp_path: Path) -> None:
    assert faults() == []
    assert faults(default="a" * 96, preload=["b"], store=str(tmp_path / "new" / "store")) == []


@pytest.mark.parametrize("name", ["No Model", "x\n", "-x", "", "a" * 97, "default"])
def test_what_can_name_no_model_is_told(name: str) -> None:
    for models, key in (
        ({"default": name}, ("models", "default")),
        ({"preload": ["fine", name]}, ("models", "preload", 1)),
        ({"smaller": {"fine": "tiny", "big": name}}, ("models", "smaller", "big")),
        ({"smaller": {name: "tiny"}}, ("models", "smaller", name)),
        ({"aliases": {"gpt": f"{name}@q4"}}, ("models", "aliases", "gpt")),
    ):
        if "aliases" in models and name == "default":
            continue  # which an alias may stand for
        [(found, reason)] = faults(**models)
        assert found == key
        assert "cannot name a model" in reason


def test_an_embedding_model_may_have_the_names_that_requests_may_use() -> None:
    for name in ("default", "all-minilm-l6-v2:latest", "hf:owner/repo:Q8_0", "MiniLM:v2"):
        assert not list(model_faults(Config(cache=Cache(semantic=Semantic(model=name)))))


def test_an_alias_stands_for_a_model_and_not_for_a_word_of_requests() -> None:
    assert faults(aliases={"gpt-4o": "tiny@q4", "Llama 3:8b": "auto", "usual": "default"}) == []
    [(key, reason)] = faults(aliases={"auto": "tiny"})
    assert key == ("models", "aliases", "auto")
    assert "choose another" in reason


def test_a_store_is_a_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert faults(store=str(tmp_path)) == []
    for place in (file, file / "below"):
        [(key, reason)] = faults(store=str(place))
        assert key == ("models", "store")
        assert f"{file} is no directory" in reason


def test_a_catalogue_that_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    good, faulty = tmp_path / "good.yaml", tmp_path / "faulty.yaml"
    good.write_text("models: []")
    faulty.write_text("models:\n  - {id: x\n")
    absent = tmp_path / "absent.yaml"
    found = faults(catalogue=[str(good), str(absent), str(faulty)])
    assert [key for key, _ in found] == [("models", "catalogue", 1), ("models", "catalogue", 2)]
    assert f"{absent}: cannot be read" in found[0][1]
    assert f"{faulty}:3: " in found[1][1]
