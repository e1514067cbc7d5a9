"""The knobs of the configuration, from the daemon's start to its end."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath

from edge_rt.config.schema import Knobs
from edge_rt.core.clock import Pause, in_thread
from edge_rt.governor.knobs.clock_control import ClockControl
from edge_rt.governor.knobs.clock_files import (
    CappedClock,
    ClockFile,
    clock_knob,
    clock_targets,
    cpu_files,
    gpu_files,
)
from edge_rt.governor.knobs.governed_clock import Files, GovernedClock
from edge_rt.governor.knobs.journal import Journal, KnobOutcome
from edge_rt.governor.knobs.knob import Knob, KnobError, KnobTarget
from edge_rt.governor.knobs.programs import NvpMode, Program, installed_nvpmodel
from edge_rt.governor.knobs.turner import Turner, boot_id

FEWEST_JOULES = "fewest-joules"  # in place of the name of a power mode
JOURNAL = "knobs.json"
SETTLE_S = 5.0  # after which it shows whether somebody else drives a knob too
RESTORE_S = 10.0  # to put knobs back, at the start and at the end
AGAIN_S = 20.0  # until knobs that had to wait are tried again


def by_name(name: str, root: Path, nvpmodel: Program | None = None) -> Knob | None:
    """Return the knob of this name; None where it is of no known kind or its program is not here.

    A journal may have been damaged: nothing but the files of knobs is ever written.
    """
    if name == NvpMode.name:
        return mode_knob(root, nvpmodel)
    if ".." in PurePath(name).parts:
        return None
    return clock_knob(name)


def mode_knob(root: Path, nvpmodel: Program | None) -> NvpMode | None:
    """Return the power mode, where there is nvpmodel."""
    return None if nvpmodel is None else NvpMode(nvpmodel, root / "etc" / "nvpmodel.conf")


log = logging.getLogger(__name__)


Group = tuple[str, Callable[[], list[KnobTarget]]]  # a key of the configuration and what it targets


class BoardKnobs:
    """Turns, watches and restores the knobs, each time in a thread: some take seconds.

    To be called in this order: `recover`, `turn` and `govern` as tasks of their own, `restore` at
    the end, after which nothing is turned any more.
    """

    def __init__(
        self,
        wanted: Knobs,
        root: Path,
        state: Path,
        nvpmodel: Program | None = None,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        """`root` is the board's, simulated or not; `state` is the directory of the journal.

        `nvpmodel` is this machine's if None. `rest` lets seconds pass in a thread.
        """
        self._wanted, self._root = wanted, root
        self._nvpmodel = nvpmodel or installed_nvpmodel(root)
        self._journal, self._boot_id, self._rest = Journal(state / JOURNAL), boot_id(root), rest
        self._turner = Turner(self._journal, self._find, self._boot_id, rest)
        sysfs = root / "sys"
        cpu = self._governed("cpufreq", lambda: cpu_files(sysfs), wanted.cpufreq_max_hz)
        gpu = self._governed("gpufreq", lambda: gpu_files(sysfs), None)
        self.clocks = ClockControl(cpu, gpu, self._set)
        self.change(wanted)
        self._settled = asyncio.Event()  # what is wished for was turned, or could not be
        self._lock = threading.Lock()
        self._ended = False

    def report(self) -> list[KnobOutcome]:
        """Return the outcome of each knob, without reading any."""
        return self._turner.outcomes

    async def recover(self) -> None:
        """Put back the knobs that a killed daemon has left turned."""
        await self._put_back()

    async def turn(self, pause: Pause = asyncio.sleep) -> None:
        """Turn what is wished for; ends once nothing has to wait for a better moment."""
        groups = list(self._groups())
        if groups:
            await self._do("turned", lambda: self._turn(groups))
            await pause(SETTLE_S)
            await self._do("watched", self._look)
        self._settled.set()
        while self._turner.waiting and not self._ended:
            await pause(AGAIN_S)
            await self._do("turned", lambda: self._turn(groups))

    async def govern(self) -> None:
        """Set clocks as the governor says, for ever; a power mode sets some of them first."""
        await self._settled.wait()
        await self.clocks.run()

    def change(self, wanted: Knobs) -> None:
        """Govern the clocks that `wanted` names from now on, and no others."""
        self.clocks.govern(wanted.cpufreq is not None, wanted.gpufreq is not None)

    def modes(self) -> list[str]:
        """Return the names of the power modes; none where there is no nvpmodel."""
        knob = mode_knob(self._root, self._nvpmodel)
        return [] if knob is None else knob.names

    async def switch(self, mode: str) -> bool:
        """Set a power mode, as often as is asked for; return whether it is on."""
        await self._settled.wait()
        await self._do("turned", lambda: self._switch(mode))
        return any(
            outcome.knob == NvpMode.name and outcome.state == "turned" and outcome.value == mode
            for outcome in self.report()
        )

    def _switch(self, mode: str) -> None:
        """Turn the mode, which may set clocks, without caps in force, and then these again."""
        if self._ended:
            return
        targets = self._mode(mode)
        caps = [(key, found) for key, found in self._groups() if key != "knobs.nvpmodel"]
        with self.clocks.lifted():
            self._turner.restore(self._names(caps))
            for target in targets:
                self._turner.turn(target, again=True)
            self._turn(caps, again=True)

    def _names(self, groups: list[Group]) -> set[str]:
        names = set[str]()
        for _, targets in groups:
            with suppress(KnobError):
                names |= {target.knob.name for target in targets()}
        return names

    async def restore(self) -> None:
        self._ended = True  # what turns knobs now leaves off
        await self._put_back()
        self._journal.release()

    async def _put_back(self) -> None:
        """Wait no longer than RESTORE_S: a file of the board may never answer."""
        if not self._journal.path.exists():
            return

        def restore() -> None:
            self.clocks.settle()
            self._turner.restore()

        try:
            await asyncio.wait_for(self._do("put back", restore), RESTORE_S)
        except asyncio.TimeoutError:
            log.error("knobs are not put back within %g s: the board does not answer", RESTORE_S)

    def _find(self, name: str) -> Knob | None:
        return by_name(name, self._root, self._nvpmodel)

    def _governed(self, key: str, files: Files, top_hz: float | None) -> GovernedClock:
        def make(file: ClockFile) -> CappedClock:
            return CappedClock(file, self._journal, self._boot_id, self._rest)

        return GovernedClock(f"knobs.{key}", files, make, self._turner, self._journal, top_hz)

    def _groups(self) -> Iterator[Group]:
        """Yield the knobs in groups; the power mode comes first, since it sets others by itself."""
        wanted, sysfs = self._wanted, self._root / "sys"
        if (mode := wanted.nvpmodel) is not None and mode != FEWEST_JOULES:
            yield "knobs.nvpmodel", lambda: self._mode(mode)
        if (hz := wanted.cpufreq_max_hz) is not None and wanted.cpufreq is None:
            yield "knobs.cpufreq_max_hz", lambda: clock_targets(sysfs, hz)

    def _mode(self, mode: str) -> list[KnobTarget]:
        knob = mode_knob(self._root, self._nvpmodel)
        if knob is None:
            raise KnobError("there is no nvpmodel here: power modes are for Jetsons")
        return [KnobTarget(knob, mode)]

    def _turn(self, groups: list[Group], *, again: bool = False) -> None:
        moved = {outcome.knob for outcome in self.report() if outcome.state == "moved"}
        for key, targets in groups:
            try:
                found = targets()
            except KnobError as error:
                self._turner.note(KnobOutcome(key, "failed", said=str(error)))
                continue
            for target in found:
                if not self._ended and target.knob.name not in moved:
                    self._turner.turn(target, again=again)

    def _look(self) -> None:
        if not self._ended:
            self._turner.look()

    async def _set(self, clocks: Callable[[], None]) -> None:
        await self._do("governed", lambda: None if self._ended else clocks())

    async def _do(self, done: str, work: Callable[[], None]) -> None:
        await in_thread(lambda: self._guarded(done, work))

    def _guarded(self, done: str, work: Callable[[], None]) -> None:
        """Do `work`, one thread at a time; the daemon goes on without knobs if it fails."""
        with self._lock:
            try:
                self._journal.hold()
                work()
            except KnobError as error:
                said = f"knobs cannot be {done}: {error}"
                self._turner.note(KnobOutcome("knobs", "failed", said=said))
            except Exception:
                log.exception("knobs could not be %s", done)
