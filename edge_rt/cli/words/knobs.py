"""Knobs and what they stand at, as people read them."""

from __future__ import annotations

import re

_BEGUN = re.compile(r" begun at tick \d+$")
_PARTS = 3  # of a file's path, which tell it apart from the board's other knobs
_PWM = re.compile(r"/pwm\d+$")


def knob_name(name: str) -> str:
    """Without what only the daemon needs to find the knob again."""
    return _BEGUN.sub("", name)


def short_name(name: str) -> str:
    """The knob's name, of a file in sysfs the last parts of its path, for a narrow table."""
    parts = knob_name(name).split("/")
    return "/".join(["…", *parts[-_PARTS:]]) if len(parts) > _PARTS + 1 else knob_name(name)


def knob_value(name: str, value: str) -> str:
    """A fan's [1, PWM] and [MODE] of hwmon in words; other values as they are."""
    if not _PWM.search(name):
        return value
    mode, _, pwm = value.partition(",")
    if pwm.isdigit():
        return f"{pwm} of 255"
    return f"automatic ({mode})" if mode.isdigit() and int(mode) > 1 else value
