"""Outputs of the families that boards run, however they come in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from evallib.calls.templates import Formats, fetched

from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought
from edge_rt.models.answers.reader import answer_reader

KNOWN: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("family_outputs.yaml").read_text())


def cases() -> Iterator[Any]:
    for family in KNOWN["families"]:
        for name, output in family["outputs"].items():
            yield pytest.param(family, output, id=f"{family['template']}-{name}")


@pytest.fixture(scope="module")
def formats(cache: Path) -> Formats:
    return Formats(fetched(cache))


@pytest.mark.parametrize(("family", "output"), [*cases()])
def test_outputs_are_read_as_meant(
    formats: Formats, family: dict[str, Any], output: dict[str, Any]
) -> None:
    source = formats.source(family["template"])
    format = formats.learn(source, "</s>", tuple(family.get("control", ())))

    def read(size: int) -> tuple[str, str, list[list[Any]]]:
        reader = answer_reader(format, KNOWN["tools"], opened=family.get("opened", False))
        pieces = [output["text"][at : at + size] for at in range(0, len(output["text"]), size)]
        parts = [part for piece in pieces for part in reader.push(piece)] + reader.finish()
        return text_of(parts, Thought), text_of(parts, Content), calls_of(parts)

    meant = output.get("thought", ""), output.get("content", ""), output.get("calls", [])
    assert {size: read(size) for size in (1, 3, 7, 1000)} == dict.fromkeys((1, 3, 7, 1000), meant)


def text_of(parts: list[Part], kind: type[Content | Thought]) -> str:
    return "".join(part.text for part in parts if isinstance(part, kind))


def calls_of(parts: list[Part]) -> list[list[Any]]:
    return [[part.name, json.loads(part.arguments)] for part in parts if isinstance(part, MadeCall)]
