"""One core in other hands: our own choice of threads, fixed ones, and the peer's default."""

from __future__ import annotations

import asyncio
import os
import statistics
import time

from bootstrap.paths import cache_dir

from benchlib import peer
from benchlib.govern import Found, Setup
from benchlib.hog import hog
from benchlib.report import Row, shown
from benchlib.rounds import Entrant, Measures, Rounds, hogged_entrants
from benchlib.server import Running
from benchlib.stream import rate, recovered_s, streaming
from benchlib.workload import Amounts, Asker

QUIET_S = 5.0  # before the hog
BESIDE_S = 5.0  # beside it
AFTER_S = 8.0  # in which full speed must be back
FULL = 0.9  # of the speed before the hog is full speed
_ANSWER = 256  # tokens

_AUTO, _PEER = "ours auto", "peer default"


async def contention(setup: Setup) -> Found:
    """Rounds of all entrants beside a hog, then hogs that end under a running stream."""
    amounts = Amounts()
    rounds = Rounds(setup.settings, setup.prompts, amounts, setup.patience_s, setup.say)
    sides = [setup.ours(), peer.Peer(peer.environment(cache_dir()), setup.directory)]
    for number in range(1, 2 if setup.quick else 3):
        for entrant in hogged_entrants(sides, len(os.sched_getaffinity(0))):
            await rounds.hogged(entrant, f"beside a hog, round {number}", setup.directory)
        await recovery(rounds, Entrant("ours after", sides[0], None), number, setup)
    return found(rounds)


async def recovery(rounds: Rounds, entrant: Entrant, number: int, setup: Setup) -> None:
    """A hog that comes and goes while answers stream: seconds until full speed is back."""

    async def measure(running: Running, asker: Asker) -> tuple[Measures, float]:
        async with streaming(asker, _ANSWER):
            quiet = time.perf_counter()
            await asyncio.sleep(QUIET_S)
            with hog(setup.directory) as other:
                hogged = time.perf_counter()
                await asyncio.sleep(BESIDE_S)
                other_s = other.cpu_s()
            ended = time.perf_counter()
            await asyncio.sleep(AFTER_S)

        def speed(begin_s: float, end_s: float) -> float:
            return rate(asker.replies, begin_s, end_s)

        before, beside = speed(quiet, hogged), speed(hogged, ended)
        back = recovered_s(speed, ended, ended + AFTER_S, FULL * before)
        measures = {"before": before, "beside": beside, "after": speed(ended, ended + AFTER_S)}
        # What never came back took longer than was looked at.
        return {**measures, "recovery_s": AFTER_S if back is None else back}, other_s

    await rounds.turn(entrant, f"a hog that ends, round {number}", measure)


def found(rounds: Rounds) -> Found:
    """The ratios that count; the best fixed choice is the one with the best median."""
    fixed = {who: _speeds(rounds, who) for who in rounds.found if "fixed" in who}
    best = max(fixed, key=lambda who: statistics.median(fixed[who]), default="")
    auto, recoveries = _speeds(rounds, _AUTO), rounds.of("ours after", "recovery_s")
    title = "decode beside a hog, peer:"
    rows = (
        Row("hogged_vs_peer", f"{title} its default", "tok/s", auto, _speeds(rounds, _PEER)),
        Row("hogged_vs_best", f"{title} ours, best fixed", "tok/s", auto, fixed.get(best, [])),
    )
    return Found(
        values={"recovery_s": max(recoveries, default=None)},
        rows=rows,
        details={"contention": {"found": rounds.found, "best": best}},
        samples=rounds.samples,
        notes=[
            "Beside a hog, tok/s: "
            + "; ".join(f"{who} {shown(speeds)}" for who, speeds in fixed.items())
            + f". When it ended, full speed was back in {shown(recoveries)} s.",
        ],
    )


def _speeds(rounds: Rounds, who: str) -> list[float]:
    return rounds.of(who, "decode_1")
