"""The profile by which a Jetson's nvfancontrol drives the fan.

Set as NVIDIA's guide says (Jetson Linux Developer Guide, "Fan Profile Control"): the service is
stopped, its default changed, what it remembers removed, and the service started.
"""

from __future__ import annotations

import re
from pathlib import Path

from edge_rt.core.files import replace_file
from edge_rt.governor.knobs.files import failure
from edge_rt.governor.knobs.knob import KnobError, Value, Wish
from edge_rt.governor.knobs.programs import Program, Programs

_NOW = re.compile(r"FAN_PROFILE:(\S+)")
_NAMED = re.compile(r"^\s*FAN_PROFILE\s+([^\s{]+)", re.MULTILINE)
_DEFAULT = re.compile(r"^(\s*FAN_DEFAULT_PROFILE\s+)\S+", re.MULTILINE)
_SERVICE = "nvfancontrol"


class FanProfile:
    """The profile of the first fan as nvfancontrol tells it; set for all fans."""

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
        """Make the profile named `value` the default and start the service anew."""
        text = self._text(value)
        self._service("stop")
        try:
            self._settle(_DEFAULT.sub(lambda match: f"{match[1]}{value}", text))
        finally:
            self._service("start")

    def hidden(self) -> str | None:
        """What was set is what nvfancontrol tells."""
        return None

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


def profile_wish(programs: Programs, root: Path, profile: str) -> Wish:
    """The fan shall follow the profile named `profile`."""
    knob = profile_knob(programs, root)
    if knob is None:
        raise KnobError("there is no nvfancontrol here: give the fan a number from 0 to 1")
    return Wish(knob, profile)


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
