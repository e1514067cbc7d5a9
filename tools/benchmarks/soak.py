"""Many clients at once for minutes, a third of them slow or rude: nobody else is harmed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import click
import psutil
from benchlib import flood
from benchlib.crowd import Crowd, Seen
from benchlib.daemon import MODEL, Ours, for_all
from benchlib.http import fetch
from benchlib.publish import published
from benchlib.report import Report
from benchlib.server import Running, Settings
from bootstrap.paths import cache_dir

RUDE = 1 / 3
_LOOK_S = 1.0
_REST_S = 40.0  # after which the daemon has cut off all that hang
_FLOOD_S = 30.0
_SPARE_FDS = 3  # that come and go by themselves
_NOTES = (
    "polite_faults: answers to polite clients that were neither complete nor a 429 or 503 with "
    "Retry-After. Growth: the median of the last fifth of the time over that of the second.",
    f"flood_p95_s: a polite client's wait for an answer beside {flood.THREADS} threads that do "
    f"nothing but connect, over {_FLOOD_S:.0f} s; flood_unanswered: its requests without one.",
    "As root, rude clients are another user, so that limits for one client tell them apart.",
)


@click.command()
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(0.05))
@click.option("--clients", default=200, show_default=True, type=click.IntRange(3))
@click.option(
    "--growth", default=0.05, show_default=True, help="By how much memory may grow, as a share."
)
@click.option("--store", type=click.Path(path_type=Path), help="The models; default: our own.")
@published
async def command(
    directory: Path, minutes: float, clients: int, growth: float, store: Path | None
) -> Report:
    """Have many clients ask one daemon, a third of whom are slow or rude.

    Fails where a polite client got anything but an answer or a refusal that says when to come
    again, or where memory or descriptors grew.
    """
    soak = Soak(for_all(store or cache_dir() / "store", directory), clients)
    await soak.run(minutes * 60.0)
    return replace(soak.report(), failed=soak.faults(growth))


@dataclass(frozen=True)
class Look:
    """Resident bytes and descriptors of the front and of the engine."""

    rss: tuple[int, int]
    fds: tuple[int, int]


@dataclass
class Soak:
    """A daemon, and its samples."""

    side: Ours
    clients: int
    seen: Seen = field(default_factory=Seen)
    looks: list[Look] = field(default_factory=list[Look])
    before: Look | None = None
    after: Look | None = None
    restarts: int = 0
    waits: list[float | None] = field(default_factory=list["float | None"])  # beside a flood
    log: str = ""

    async def run(self, seconds: float) -> None:
        """Run the benchmark on one daemon that has answered before."""
        settings = Settings(self.side.store, MODEL, 2048, 4, None)
        async with self.side.run(settings) as running:
            path = str(running.address.path)
            self.side.directory.chmod(0o755)  # rude clients are others, whom the daemon shut out
            await Crowd(path, 4, 0.0).run(5.0)
            self.before = _look(running)
            crowd = Crowd(path, self.clients, RUDE)
            looking = asyncio.create_task(self._watch(running))
            await crowd.run(seconds)
            looking.cancel()
            with flood.flooding(path):
                self.waits = await asyncio.to_thread(flood.waits, path, _FLOOD_S)
            self.after, self.seen = await self._rested(running), crowd.seen
            running.child.check()
            status = json.loads((await fetch(running.address, "GET", "/edge/v1/status")).body)
            self.restarts = int(status["engine"]["restarts"])
            self.log = running.child.log.read_text(errors="replace")

    def faults(self, growth: float) -> list[str]:
        """Return what was not as it has to be."""
        found = [f"{count} times: {what}" for what, count in self.seen.faults.items()]
        for name, grown in self._grown().items():
            if grown > growth:
                found.append(f"{name} grew by {grown:.1%}")
        assert self.before is not None
        assert self.after is not None
        for name, was, now in zip(
            ("front", "engine"), self.before.fds, self.after.fds, strict=True
        ):
            if now > was + _SPARE_FDS:
                found.append(f"{name} had {was} descriptors before and {now} after")
        if self.restarts:
            found.append(f"the engine was started {self.restarts} times anew")
        if "ERROR" in self.log:
            found.append(f"the log has errors:\n{self.log[-2000:]}")
        if not self.seen.statuses[200]:
            found.append("nobody got an answer")
        return found

    def report(self) -> Report:
        """Return what was seen."""
        assert self.before is not None
        assert self.after is not None
        statuses = {f"polite_{status}": n for status, n in sorted(self.seen.statuses.items())}
        values: dict[str, float | None] = {
            **statuses,
            "polite_faults": self.seen.faults.total(),
            "rude": self.seen.rude.total(),
            "flood_p95_s": flood.p95(self.waits),
            "flood_unanswered": self.waits.count(None),
            **{f"{name}_growth": grown for name, grown in self._grown().items()},
            "front_rss_mb": self.after.rss[0] / 2**20,
            "engine_rss_mb": self.after.rss[1] / 2**20,
            "front_fds_before": self.before.fds[0],
            "front_fds_after": self.after.fds[0],
            "front_fds_most": max(look.fds[0] for look in self.looks),
            "engine_fds_before": self.before.fds[1],
            "engine_fds_after": self.after.fds[1],
        }
        return Report(
            name="soak",
            about={"clients": self.clients, "looks": len(self.looks)},
            values=values,
            notes=_NOTES,
            details={"faults": dict(self.seen.faults), "rude": dict(self.seen.rude)},
        )

    async def _watch(self, running: Running) -> None:
        while True:
            self.looks.append(_look(running))
            await asyncio.sleep(_LOOK_S)

    async def _rested(self, running: Running) -> Look:
        """Once the daemon has closed what nobody uses any more, or has had time enough to."""
        assert self.before is not None
        look = _look(running)
        for _ in range(round(_REST_S / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            look = _look(running)
            pairs = zip(self.before.fds, look.fds, strict=True)
            if all(now <= was + _SPARE_FDS for was, now in pairs):
                break
        return look

    def _grown(self) -> dict[str, float]:
        names = ("front_rss", "engine_rss")
        return {name: growth([look.rss[i] for look in self.looks]) for i, name in enumerate(names)}


def growth(numbers: Sequence[float]) -> float:
    """Return the growth from the second fifth to the last, by their medians; 0.0 of too few."""
    fifth = len(numbers) // 5
    if not fifth:
        return 0.0
    return median(numbers[-fifth:]) / median(numbers[fifth : 2 * fifth]) - 1.0


def _look(running: Running) -> Look:
    front = running.child.process
    engine = max(front.children(), key=lambda child: child.memory_info().rss)
    both: tuple[psutil.Process, psutil.Process] = (front, engine)
    rss, fds = [process.memory_info().rss for process in both], [p.num_fds() for p in both]
    return Look((rss[0], rss[1]), (fds[0], fds[1]))
