"""An option that is gone is told with what replaces it, and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
import pytest

from edge_rt.config import removed
from edge_rt.config.loader import check_text
from edge_rt.config.removed import REMOVED, RemovedOption
from edge_rt.config.schema import Config
from edge_rt.config.tree import Key


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: dict[Key, RemovedOption] = {
        ("models", "colour"): RemovedOption("models.store says it"),
        ("models", "default"): RemovedOption("name a model", (int, float)),
    }
    monkeypatch.setattr(removed, "REMOVED", gone)


@pytest.mark.usefixtures("table")
def test_a_removed_option_is_a_warning_and_the_rest_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "engine: {threads: 2}\nmodels:\n  colour: red\n"
    config, faults = check_text(text.encode(), "config.yaml")
    assert (config.engine.threads, faults) == (2, [])
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    for said in ("config.yaml", "3", "models.colour", "removed", "models.store says it"):
        assert said in record.message


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("text", ["models: {colour:}", "models: {colour: {deep: 1}}"])
def test_whatever_its_value_is(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert check_text(text.encode(), "f") == (Config(), [])
    assert "models.colour" in caplog.text


@pytest.mark.usefixtures("table")
def test_only_values_of_some_types_may_be_gone(caplog: pytest.LogCaptureFixture) -> None:
    config, faults = check_text(b"models: {default: small}", "f")
    assert (config.models.default, faults, caplog.text) == ("small", [], "")
    config, faults = check_text(b"models: {default: 0.5}", "f")
    assert (config.models.default, faults) == (None, [])
    assert "name a model" in caplog.text


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("text", ["models: 3", "models:", "models: []", "[]", ""])
def test_a_section_that_is_none_is_no_place_to_look(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    check_text(text.encode(), "f")
    assert caplog.text == ""


def test_no_option_is_removed_that_there_is() -> None:
    for key, option in REMOVED.items():
        gone = option.types == (object,)
        assert gone == (key not in set(_keys(Config))), f"{key} is told to be removed"


def _keys(section: type[msgspec.Struct], at: Key = ()) -> Iterator[Key]:
    for field in msgspec.structs.fields(section):
        yield (*at, field.name)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _keys(field.type, (*at, field.name))


def test_a_fan_that_was_driven_by_hand_is_told_where_it_is_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for value in ("0.5", "cool"):
        caplog.clear()
        assert check_text(f"knobs: {{fan: {value}}}".encode(), "f") == (Config(), [])
        assert "knobs.fan" in caplog.text
        assert "/etc/nvfancontrol.conf" in caplog.text
