"""The share of a core that the sampler's thread takes, with nothing else in the process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchlib.sense_ours import roots
from edge_rt.board.discovery import discover
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.sampler_thread import SamplerThread


def sampler(root: Path, period_s: float | None) -> BoardSampler:
    """Return a sampler of the board below `root`; `period_s` None: each reader's own."""
    readers = discover(roots(root)).readers
    for reader in readers:
        if period_s is not None:
            reader.period_s = period_s  # pyright: ignore[reportAttributeAccessIssue]  # of its class
    return BoardSampler(readers)


def core_share(
    thread: SamplerThread, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> float:
    """CPU seconds a second that `thread` takes, over `seconds`; it is then stopped.

    Begins after the first second, in which files are opened.
    """
    thread.start()
    sleep(1.0)
    cpu_s, start_s = time.process_time(), time.monotonic()
    sleep(seconds)
    share = (time.process_time() - cpu_s) / (time.monotonic() - start_s)
    thread.stop()
    return share


if __name__ == "__main__":
    where, length, *period = sys.argv[1:]
    ours = sampler(Path(where), float(period[0]) if period else None)
    json.dump({"core_share": core_share(SamplerThread(ours), float(length))}, sys.stdout)
