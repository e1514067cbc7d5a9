"""How hard the fan is driven: through hwmon, or in the steps of a cooling device."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from edge_rt.board.readers.sysfs import first_integer, first_line, numbered
from edge_rt.governor.knobs.files import FileKnob, read_number, write_number
from edge_rt.governor.knobs.knob import KnobError, Value, Wish

_PWM = re.compile(r"(/.*)?/sys/devices/.*/hwmon\d+/pwm\d+")
_COOLER = re.compile(r"(/.*)?/sys/class/thermal/cooling_device\d+/cur_state")
_TOP = 255
_BY_HAND = 1  # of pwmN_enable


class PwmFan:
    """pwmN and pwmN_enable of a hwmon device.

    Stands at [1, PWM], PWM up to 255, where it is driven by hand, and at [MODE] where something
    drives it: then PWM is nobody's setting. One knob for both files, so that no fan is left
    without a driver when only one of them can be written.
    """

    lasting = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._pwm = path
        self._enable = path.with_name(f"{path.name}_enable")

    def read(self) -> list[int]:
        """[1, PWM] or [MODE]."""
        mode = read_number(self._enable) if self._enable.exists() else _BY_HAND
        return [mode, read_number(self._pwm)] if mode == _BY_HAND else [mode]

    def write(self, value: Value) -> None:
        """Drive it by hand, or leave it to MODE."""
        match value:
            case [int(mode), int(pwm)]:
                self._by_hand(mode, pwm)
            case [int(mode)]:
                self._mode(mode)
            case _:
                raise KnobError(f"{self.name} takes [mode, pwm] or [mode], not {value!r}")

    def hidden(self) -> str | None:
        """What was set is what the files say."""
        return None

    def _by_hand(self, mode: int, pwm: int) -> None:
        before = self.read()[0]
        self._mode(mode)
        try:
            write_number(self._pwm, pwm)
        except KnobError:
            self._mode(before)
            raise

    def _mode(self, mode: int) -> None:
        if self._enable.exists():
            write_number(self._enable, mode)


def fan_wishes(sysfs: Path, share: float) -> list[Wish]:
    """Fans shall be driven at `share` of the most, 0 to 1.

    Only fans that a driver for nothing else has; chips of mainboards drive what they like. A
    kernel that has a fan in its own hand, as a Raspberry Pi's does, may take it back at any time.
    """
    found = list(_pwm(sysfs, share)) or list(_coolers(sysfs, share))
    if not found:
        raise KnobError(f"no fan can be driven: no pwmfan device in {sysfs}/class/hwmon")
    return found


def fan_knob(name: str) -> PwmFan | FileKnob | None:
    """The knob that the journal calls `name`; None where it is none of these."""
    if _PWM.fullmatch(name):
        return PwmFan(Path(name))
    return FileKnob(Path(name)) if _COOLER.fullmatch(name) else None


def _pwm(sysfs: Path, share: float) -> Iterator[Wish]:
    for folder in numbered(sysfs / "class" / "hwmon", "hwmon*"):
        kind = first_line(folder / "name") or ""
        if "pwm" in kind and "fan" in kind:
            # The folder behind the number: the number goes to another device once it is removed.
            for path in numbered(folder.resolve(), "pwm[0-9]"):
                yield Wish(PwmFan(path), [_BY_HAND, round(share * _TOP)])


def _coolers(sysfs: Path, share: float) -> Iterator[Wish]:
    for folder in numbered(sysfs / "class" / "thermal", "cooling_device*"):
        top = first_integer(folder / "max_state")
        if top and "fan" in (first_line(folder / "type") or "").lower():
            yield Wish(FileKnob(folder / "cur_state"), math.ceil(share * top))
