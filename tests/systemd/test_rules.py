"""The udev rules give away what they must, nothing more, and agree with what doctor tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_rt.sensors import ina3221_iio, rapl

RULES = Path(__file__).parents[2] / "systemd" / "60-edge-rt.rules"
_PART = re.compile(r'([A-Z]+)(?:\{(\w+)\})?(==|!=|\+=|=|:=)"([^"]*)"')


def rules() -> list[str]:
    """Each rule in one line, comments and line ends left out."""
    text = RULES.read_text().replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("rule", rules())
def test_a_rule_is_keys_operators_and_quoted_values(rule: str) -> None:
    parts = rule.split(", ")
    assert all(_PART.fullmatch(part) for part in parts)
    keys = [part[0] for part in map(_PART.findall, parts)]
    assert {key[0] for key in keys} <= {"ACTION", "SUBSYSTEM", "KERNEL", "ATTR", "RUN"}
    # Once a match has failed udev looks no further; it wants assignments behind matches.
    kinds = [operator in ("==", "!=") for _, _, operator, _ in keys]
    assert kinds == sorted(kinds, reverse=True)
    assert all(value.startswith("/bin/") for key, _, _, value in keys if key == "RUN")


def test_the_rules_are_those_that_doctor_and_the_readers_tell() -> None:
    assert rules() == [rapl.udev_rule("edge-rt"), ina3221_iio.udev_rule("edge-rt")]


def test_the_file_is_named_as_the_readers_name_it() -> None:
    assert Path(rapl.RULES_FILE).name == RULES.name


def test_nothing_is_given_to_everybody_and_nothing_may_be_written() -> None:
    text = "\n".join(rules())
    modes = re.findall(r"chmod (\S+)", text)
    assert modes == ["0440", "g+r"]
    assert "GROUP=" not in text
    assert "MODE=" not in text
