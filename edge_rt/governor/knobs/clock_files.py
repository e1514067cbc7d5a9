"""The clocks of the CPU and of a Jetson's GPU: the files that cap them, the caps to choose from.

A `CappedClock` may change its cap several times a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_rt.board.readers.clocks import gpu_devices, policies
from edge_rt.board.readers.sysfs import first_integer, first_line, numbered, open_regular
from edge_rt.config.schema import Knobs
from edge_rt.core.reports.finding import Finding, note, problem
from edge_rt.governor.knobs.journal import Journal, JournalEntry, KnobOutcome
from edge_rt.governor.knobs.knob import (
    GROUP,
    FileKnob,
    KnobBusy,
    KnobError,
    KnobTarget,
    Pause,
    Value,
    settled,
    steady,
)

_CHOICES = 10  # clocks to choose from where the kernel lists none
_GRID_HZ = 1e8  # these are rounded down to multiples of it
_PLACE = re.compile(
    r"(/.*)?/sys/(devices/system/cpu/cpufreq/policy\d+/scaling_|class/devfreq/[^/\n]+/)max_freq"
)
_CPU = "scaling_max_freq"
# Types of the cooling devices of the CPU's clock and of the GPU's.
_CPU_COOLERS = "cpufreq-", "thermal-cpufreq-", "Processor"
_GPU_COOLERS = "devfreq-", "thermal-devfreq-"


@dataclass(frozen=True)
class ClockFile:
    """A file that caps a clock, with the clocks that the kernel lists, in the file's own unit."""

    knob: FileKnob
    unit_hz: float
    low: int  # the least cap
    listed: tuple[int, ...]  # clocks that the hardware has; empty: the kernel lists none

    def choices(self, top: int) -> tuple[int, ...]:
        """Return the caps from `low` to `top`, both included, in ascending order."""
        low = min(self.low, top)
        between = self.listed or self._spread(low, top)
        return tuple(sorted({low, top, *(value for value in between if low <= value <= top)}))

    def _spread(self, low: int, top: int) -> tuple[int, ...]:
        grid = round(_GRID_HZ / self.unit_hz)
        steps = (low + (top - low) * step // (_CHOICES - 1) for step in range(_CHOICES))
        return tuple(value // grid * grid for value in steps)


def listed(path: Path) -> tuple[int, ...]:
    """Return the numbers in a file such as scaling_available_frequencies.

    None where it is missing.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            return tuple(int(word) for word in file.read(4096).split() if word.isdigit())
    except OSError:
        return ()


def throttle(thermal: Path, kinds: tuple[str, ...]) -> str | None:
    """Return why a clock is held down: the cooling device of one of `kinds` that is on."""
    for folder in numbered(thermal, "cooling_device*"):
        kind = first_line(folder / "type") or ""
        if kind.startswith(kinds) and first_integer(folder / "cur_state"):
            return f"the kernel throttles the clock ({folder.name}, {kind})"
    return None


def capped(sysfs: Path) -> Iterator[Finding]:
    """Yield the first CPU clock that is limited to less than the hardware can do."""
    for policy in policies(sysfs):
        if policy.cap_hz is not None:
            what = f"{policy.name} is limited to {policy.cap_hz / 1e9:.2f} GHz"
            yield note("clocks", f"{what}, below what it can do")
            return


def diagnose(wanted: Knobs, sysfs: Path, may_write: Callable[[Path], bool]) -> Iterator[Finding]:
    """Yield the governed clocks that are not there, or that the daemon may not set."""
    governed = (
        ("knobs.cpufreq", wanted.cpufreq, cpu_files),
        ("knobs.gpufreq", wanted.gpufreq, gpu_files),
    )
    for key, mode, files in governed:
        try:
            paths = [file.knob.path for file in files(sysfs)] if mode is not None else []
        except KnobError as error:
            yield problem("knob", f"{key}: {error}")
            continue
        if shut := [path for path in paths if not may_write(path)]:
            what = f"{key} is governed, and the daemon may not write {shut[0]}"
            yield problem("knob", what, *_give_away(shut))


def _give_away(paths: Sequence[Path]) -> Iterator[str]:
    yield f"getent group {GROUP} || sudo groupadd --system {GROUP}"
    for path in paths:
        yield f"sudo chgrp {GROUP} {path} && sudo chmod g+w {path}"
    yield "# until the board starts again; udev and tmpfiles.d as tools/install sets them last"
    yield f"# a daemon that is no service needs {GROUP} among its user's groups"


class MaxClock(FileKnob):
    """scaling_max_freq of one policy, in kHz, or max_freq of one devfreq device, in Hz.

    The kernel keeps what users set apart from its own cap and shows the lower of the two. So while
    it throttles, the file does not tell what was set, though it can be set all the same.
    """

    def hidden(self) -> str | None:
        """Return the cooling device that holds the clock down, whichever part it is for."""
        cpu = self.path.name == _CPU
        thermal = self.path.parents[5 if cpu else 3] / "class" / "thermal"
        return throttle(thermal, _CPU_COOLERS if cpu else _GPU_COOLERS)


def clock_knob(name: str) -> MaxClock | None:
    """Return the knob that the journal calls `name`; None where it is none of these."""
    return MaxClock(Path(name)) if _PLACE.fullmatch(name) else None


def clock_targets(sysfs: Path, max_hz: float) -> list[KnobTarget]:
    """No policy of the board shall go above `max_hz`."""
    return [KnobTarget(file.knob, round(max_hz / 1e3)) for file in cpu_files(sysfs)]


def cpu_files(sysfs: Path) -> list[ClockFile]:
    """Return what caps the clocks of all policies; raises KnobError where there are none."""
    found = [policy.folder for policy in policies(sysfs)]
    if not found:
        raise KnobError(
            f"no clock can be set: there is no policy in {sysfs}/devices/system/cpu/cpufreq"
        )
    lows, clocks = ("cpuinfo_min_freq", "scaling_min_freq"), "scaling_available_frequencies"
    return [_file(folder / _CPU, 1e3, lows, clocks) for folder in found]


def gpu_files(sysfs: Path) -> list[ClockFile]:
    """Return what caps the clock of the GPU; raises KnobError where nothing does."""
    found = [device for device in gpu_devices(sysfs) if (device / "max_freq").exists()]
    if not found:
        raise KnobError(f"no GPU clock can be set: {sysfs}/class/devfreq has no GPU with max_freq")
    return [
        _file(folder / "max_freq", 1.0, ("min_freq",), "available_frequencies") for folder in found
    ]


def _file(path: Path, unit_hz: float, lows: Sequence[str], clocks: str) -> ClockFile:
    low = max(first_integer(path.with_name(name)) or 0 for name in lows)
    return ClockFile(MaxClock(path), unit_hz, low, listed(path.with_name(clocks)))


class CappedClock:
    """A clock with one entry in the journal for all changes of its cap.

    The first change is written down before it is made, with all values that may follow: the disk
    is not written to several times a second. For one thread at a time; methods raise KnobError.
    """

    def __init__(
        self, file: ClockFile, journal: Journal, boot_id: str | None, pause: Pause
    ) -> None:
        """Read nothing yet; `find` comes first."""
        self.file, self.name = file, file.knob.name
        self._knob, self._journal = file.knob, journal
        self._boot_id, self._pause = boot_id, pause
        self.original: int | None = None  # the cap that was found; None: not read yet
        self.entry: JournalEntry | None = None  # in the journal
        self.now: int | None = None  # the cap in force, when it was last read
        self._came = self._written = self._before = 0
        self._ours: set[int] = set()  # what the file may read while no other program changes it

    @property
    def held(self) -> bool:
        """Whether the cap in force is another than the original one."""
        return self.original is not None and self._written != self.original

    def find(self) -> None:
        """Read the original cap; KnobBusy where it cannot be read now."""
        self._knob.check_writable()
        value, hidden = steady(self._knob, self._pause)
        if hidden is not None:
            raise KnobBusy(f"the value in force cannot be read: {hidden}; tried again later")
        now = _number(value)
        entry = self._journal.get(self.name)
        if entry is not None and (entry.stale(self._boot_id) or entry.theirs(now)):
            entry = None
        self.entry = entry
        self._adopt(now, now if entry is None else _number(entry.original))

    def foreign(self) -> int | None:
        """Return the cap that another program has set; None: none has, or it is hidden."""
        self.now = None
        self.now = self._knob.read()
        if self.now in self._ours or self._knob.hidden() is not None:
            return None
        value, hidden = steady(self._knob, self._pause)
        return None if hidden is not None or value in self._ours else _number(value)

    def yield_to(self, now: int) -> None:
        """Take another program's cap as the original one; only while no cap of ours is in force."""
        if self.entry is not None:
            self._journal.drop(self.name)
        self.entry = None
        self._adopt(now, now)

    def due(self, value: int, among: Iterable[int]) -> JournalEntry | None:
        """Return the journal entry that `write` of `value` needs first; None: it needs none.

        `among` are the values that may be written later.
        """
        known = self.entry is not None and self.entry.among
        if known or self.original is None or value == self.original:
            return None
        return JournalEntry(
            knob=self.name,
            original=self.original,
            wanted=value,
            boot_id=self._boot_id,
            among=sorted({value, *among, *self._ours}),
        )

    def write(self, value: int) -> bool:
        """Write `value`, unless it is in force already; whether it was written."""
        if value == self._written:
            return False
        self._ours.add(value)
        self._knob.write(value)
        self._before, self._written = self._written, value
        return True

    def verify(self) -> KnobOutcome:
        """Read back the outcome of `write`, which is tried once more if it had no effect."""
        now = self._look()
        if self._without_effect(now):
            self._knob.write(self._written)
            now = self._look()
        if self._without_effect(now):
            raise KnobError(f"{self._written} was written to {self.name}, and it still says {now}")
        self.now = self._came = now
        self._ours = {now, self._written}
        self._remember()
        said = None if now == self._written else f"asked for {self._written}, it then said {now}"
        return KnobOutcome(self.name, "turned", self._written, self.original, now, said)

    def settle(self) -> None:
        """Note the cap in force in the journal, so that `Turner.restore` can put the clock back."""
        if self.entry is not None:
            self._journal.put(msgspec.structs.replace(self.entry, came=self._came, among=[]))

    def _adopt(self, now: int, original: int) -> None:
        self.original = original
        self.now = self._came = self._written = self._before = now
        self._ours = {now}

    def _look(self) -> int:
        now = self._knob.read()
        if now == self._written:  # whether it may be hidden costs many files to find out
            return now
        value, hidden = settled(self._knob, self._written, self._pause)
        return self._written if hidden is not None else _number(value)

    def _without_effect(self, now: int) -> bool:
        """Return whether the kernel may have kept the clock below what was written, as before."""
        return now != self._written and now == self._came == self._before

    def _remember(self) -> None:
        """Journal the cap that the kernel made of ours, to be known as ours after a crash too."""
        entry = self.entry
        if entry is not None and entry.among and self._came not in entry.among:
            self.entry = msgspec.structs.replace(entry, among=[*entry.among, self._came])
            self._journal.put(self.entry)


def _number(value: Value) -> int:
    if isinstance(value, int):
        return value
    raise KnobError(f"a clock is a number, not {value!r}")
