"""Noticing that an engine hangs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from edge_rt.core.clock import Pause
from edge_rt.core.errors import EngineError
from edge_rt.core.system.process import stat_fields
from edge_rt.engine.channel import Doing, Heartbeat
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.process import ExitReason

LOOK_S = 0.5
REST_S = 2.0  # until the next look at an engine that owes nothing
STILL_S = 3.0  # of doing nothing at all, besides what is expected, are no hang yet
MOST_S = 20.0  # of what is expected, for one that does nothing at all
BUSY_S = 30.0  # of working on one thing are no hang either,
TIMES = 10.0  # nor are so many times what is expected

_USER = 10  # where the user time of proc_pid_stat(5) lies behind the status, in ticks
_TICKS = os.sysconf("SC_CLK_TCK")  # a second
PATIENCE_S = 15.0  # for an answer of the decode loop, behind the pass under way


class Life(NamedTuple):
    """The processor's seconds that a process has had, and what keeps it from having more."""

    cpu_s: float
    at_disk: bool = False
    stopped: bool = False


def life(pid: int) -> Life | None:
    """Return what a process does; None where it is gone."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    status, *words = stat_fields(content)
    ticks = int(words[_USER]) + int(words[_USER + 1])
    return Life(ticks / _TICKS, status == b"D", status in b"Tt")


Expected = Callable[[EngineClient, Doing], float]
"""Seconds that what an engine does is to take."""


class HangDetector:
    """Looks at engines that owe an answer.

    The decode loop notes whatever it begins, so one that notes nothing for long hangs. How long
    follows from the expected time of the pass under way; an engine that neither computes nor waits
    for a disk has less. Only looks count, so a front that was held up itself blames nobody.
    """

    def __init__(
        self,
        expected_s: Expected,
        pause: Pause = asyncio.sleep,
        life: Callable[[int], Life | None] = life,
    ) -> None:
        self._expected_s, self._pause, self._life = expected_s, pause, life

    async def keep(self, client: EngineClient, beat: Heartbeat) -> None:
        """Terminate the engine once it hangs."""
        assert client.hello is not None, "it has said hello"
        pid, quiet = client.hello.pid, _Quiet(beat.doing)
        while client.termination is None:
            await self._pause(LOOK_S if client.owes else REST_S)
            doing = beat.doing
            if not client.owes or doing.turn != quiet.doing.turn:
                quiet = _Quiet(doing)
                continue
            if not quiet.busy_s:
                client.nudge()
            seen = self._life(pid)
            if seen is None:
                return
            quiet.look(seen)
            if quiet.hangs(0.0 if seen.stopped else self._expected_s(client, doing)):
                why = f"it hung for {quiet.busy_s:.0f} s"
                client.terminate(ExitReason(why, doing.requests, outside=seen.stopped))


class _Quiet:
    """The seconds in which an engine began nothing new: `busy_s`, the last `still_s` idle."""

    def __init__(self, doing: Doing) -> None:
        self.doing = doing
        self.busy_s = self.still_s = 0.0
        self._cpu_s: float | None = None

    def look(self, seen: Life) -> None:
        """Take one look, LOOK_S after the last one."""
        works = seen.at_disk or self._cpu_s is None or seen.cpu_s > self._cpu_s
        self._cpu_s = seen.cpu_s
        self.busy_s += LOOK_S
        self.still_s = 0.0 if works else self.still_s + LOOK_S

    def hangs(self, expected_s: float) -> bool:
        """Return whether that is too long for something that is to take `expected_s`."""
        still_s, busy_s = STILL_S + min(MOST_S, 2.0 * expected_s), BUSY_S + TIMES * expected_s
        return self.still_s >= still_s or self.busy_s >= busy_s


async def prove(connect: Callable[[], Awaitable[EngineClient]]) -> dict[str, object]:
    """Return that the decode loop answers; raises Unavailable or EngineError where it does not.

    `connect` gives the live engine. One that is ended from outside meanwhile does not count.
    """
    while True:
        client = await connect()
        try:
            await asyncio.wait_for(client.ping(), PATIENCE_S)
        except asyncio.TimeoutError:
            raise EngineError(f"the engine did not answer within {PATIENCE_S:.0f} s") from None
        except EngineLost as lost:
            if not (await lost.exit_reason()).outside:
                raise
        else:
            return {"status": "ok", "proof": "the decode loop answers"}
