"""Which part's temperature a thermal zone or a hwmon channel measures, judged by its name."""

from __future__ import annotations

import re
from re import Pattern
from typing import Literal, NamedTuple

Sort = Literal["chip", "unknown", "foreign"]

# Names are matched in lower case; a digit or any other sign that is no letter ends a word.
_FOREIGN = {
    "a regulator's": r"pmic|bmic|vrm?|vreg|regulator|pm[a-z]{0,2}(?=\d)|axp(?=\d)",
    "a radio's": r"iwlwifi|wifi|wlan|wwan|modem|wcn(?=\d)|ath(?=\d)|mt(?=7[69])|rtw(?=\d)|pa",
    "a network card's": r"ethernet|eth|enp|sfp|mlx(?=\d)|r(?=81\d\d)",
    "a disk's": r"nvme|ssd|hdd|sata|ahci|drivetemp|emmc|mmc|ufs",
    "a battery's or charger's": r"battery|bat|charger|chg|bms|smb(?=\d)|usbc?|ucsi",
    "the memory's": r"mem|tmem|dimm|spd(?=\d)|jc(?=\d)",
    "the board's or case's": (
        r"tboard|board|skin|tskn|ambient|tamb|quiet|case|conn|display|lcd|xo|sen(?=\d)"
    ),
    "the chipset's": r"pch",
    "no sensor's": r"int(?=3400)|fan|est|virtual",  # computed, or a constant of the firmware
}
_CHIP = (
    r"cpu|gpu",  # anywhere: MCPU-therm, mtktscpu, gpuss0
    r"soc|socd|ddr|ve|cv|tj|tdiode|ao|aux|pll|pllx|pkg|package|center|cluster|apc|aoss|tsens",
    r"[a-z]*core|coretemp|k(?=10temp)|zenpower|tctl|tdie|tccd|edge|junction|npu|vpu|apu",
    r"b(?=0d4)",  # Intel's own name for its processor among the ACPI participants
)
_FIRMWARE = "acpitz"  # what it measures is up to the maker of the computer


class Judged(NamedTuple):
    """What a zone's name says; `whose` names the part that a foreign zone measures."""

    sort: Sort
    whose: str = ""


def judge(name: str, listed: bool = False) -> Judged:
    """Judge whether a temperature is the chip's.

    A name that says nothing counts as the chip's where the board's profile lists it.
    """
    text = name.lower()
    for whose, pattern in _FOREIGN_WORDS:
        if pattern.search(text):
            return Judged("foreign", whose)
    named = any(pattern.search(text) for pattern in _CHIP_WORDS)
    listed = listed and not text.startswith(_FIRMWARE)
    return Judged("chip" if named or listed else "unknown")


def _word(pattern: str) -> Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])")


_FOREIGN_WORDS = tuple((whose, _word(pattern)) for whose, pattern in _FOREIGN.items())
_CHIP_WORDS = (re.compile(_CHIP[0]), *map(_word, _CHIP[1:]))
