"""The fan: its drive by hwmon or a cooling device, and the profile of nvfancontrol."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from edge_rt.board.readers.sysfs import first_integer, first_line, numbered
from edge_rt.core.files import replace_file
from edge_rt.governor.knobs.knob import (
    FileKnob,
    Knob,
    KnobError,
    KnobTarget,
    Value,
    failure,
    read_number,
    write_number,
)
from edge_rt.governor.knobs.programs import Program, Programs

_NOW = re.compile(r"FAN_PROFILE:(\S+)")
_NAMED = re.compile(r"^\s*FAN_PROFILE\s+([^\s{]+)", re.MULTILINE)
_DEFAULT = re.compile(r"^(\s*FAN_DEFAULT_PROFILE\s+)\S+", re.MULTILINE)
_SERVICE = "nvfancontrol"


class FanProfile(Knob):
    """The profile of the first fan as nvfancontrol tells it; set for all fans.

    Set as the Jetson Linux Developer Guide says under "Fan Profile Control": the service is
    stopped, its default changed, the state that it keeps removed, and the service started.
    """

    name = _SERVICE
    lasting = True

    def __init__(self, nvfancontrol: Program, systemctl: Program, root: Path = Path("/")) -> None:
        """`root` is where etc and var lie."""
        self._query, self._systemctl = nvfancontrol, systemctl
        self._settings = root / "etc" / "nvfancontrol.conf"
        self._status = root / "var" / "lib" / "nvfancontrol" / "status"

    def read(self) -> str:
        """The name of the profile in use."""
        answer = self._query(["-q"], "")
        match = _NOW.search(answer.text)
        if match is None:
            raise KnobError(f"nvfancontrol -q tells no profile: {answer.last_words}")
        return match[1]

    def write(self, value: Value) -> None:
        """Make the profile named `value` the default and restart the service."""
        text = self._text(value)
        self._service("stop")
        try:
            self._settle(_DEFAULT.sub(lambda match: f"{match[1]}{value}", text))
        finally:
            self._service("start")

    def _text(self, profile: Value) -> str:
        try:
            text = self._settings.read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise failure(self._settings, error, "read") from error
        known = list(dict.fromkeys(_NAMED.findall(text)))
        if profile not in known:
            raise KnobError(
                f"{self._settings} has no fan profile {profile!r}; it has {', '.join(known)}"
            )
        return text

    def _settle(self, text: str) -> None:
        path = self._settings.resolve()  # a link to the file of this board
        try:
            mode = path.stat().st_mode & 0o777
            replace_file(path, text.encode("utf-8", "surrogateescape"), mode)
            self._status.unlink(missing_ok=True)
        except OSError as error:
            raise failure(path, error, "written") from error

    def _service(self, verb: str) -> None:
        answer = self._systemctl([verb, _SERVICE], "")
        if answer.code != 0:
            raise KnobError(f"systemctl {verb} {_SERVICE}: {answer.last_words}")


def profile_target(programs: Programs, root: Path, profile: str) -> KnobTarget:
    """The fan shall follow the profile named `profile`."""
    knob = profile_knob(programs, root)
    if knob is None:
        raise KnobError("there is no nvfancontrol here: give the fan a number from 0 to 1")
    return KnobTarget(knob, profile)


def profile_knob(programs: Programs, root: Path) -> FanProfile | None:
    """The knob, where the programs are there."""
    if programs.nvfancontrol is None or programs.systemctl is None:
        return None
    return FanProfile(programs.nvfancontrol, programs.systemctl, root)


def refuse_if_driven(programs: Programs) -> None:
    """KnobError while nvfancontrol drives the fan: it would undo what anybody else sets."""
    ask = programs.systemctl
    if programs.nvfancontrol is None or ask is None:
        return
    if ask(["is-active", "--quiet", _SERVICE], "").code == 0:
        raise KnobError(
            "the service nvfancontrol drives the fan: name one of its profiles, such as cool, "
            "or stop it: systemctl stop nvfancontrol"
        )


_PWM = re.compile(r"(/.*)?/sys/devices/.*/hwmon\d+/pwm\d+")
_COOLER = re.compile(r"(/.*)?/sys/class/thermal/cooling_device\d+/cur_state")
_TOP = 255
_BY_HAND = 1  # of pwmN_enable


class PwmFan(Knob):
    """pwmN and pwmN_enable of a hwmon device.

    Stands at [1, PWM], PWM up to 255, where it is driven by hand, and at [MODE] where something
    drives it: then PWM is nobody's setting. One knob for both files, so that no fan is left
    without a driver when only one of them can be written.
    """

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


def fan_targets(sysfs: Path, share: float) -> list[KnobTarget]:
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


def _pwm(sysfs: Path, share: float) -> Iterator[KnobTarget]:
    for folder in numbered(sysfs / "class" / "hwmon", "hwmon*"):
        kind = first_line(folder / "name") or ""
        if "pwm" in kind and "fan" in kind:
            # The folder behind the number: the number goes to another device once it is removed.
            for path in numbered(folder.resolve(), "pwm[0-9]"):
                yield KnobTarget(PwmFan(path), [_BY_HAND, round(share * _TOP)])


def _coolers(sysfs: Path, share: float) -> Iterator[KnobTarget]:
    for folder in numbered(sysfs / "class" / "thermal", "cooling_device*"):
        top = first_integer(folder / "max_state")
        if top and "fan" in (first_line(folder / "type") or "").lower():
            yield KnobTarget(FileKnob(folder / "cur_state"), math.ceil(share * top))
