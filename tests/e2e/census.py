"""What a daemon holds: `census.py FILE edge-rt serve …` runs it and tells that at each SIGUSR1."""

from __future__ import annotations

import asyncio
import gc
import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path


def tasks() -> Counter[str]:
    """Return what is under way in the loop of this thread, by name."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks() if not task.done()]
    return Counter(getattr(one, "__qualname__", str(one)) for one in coroutines)


def objects() -> Counter[str]:
    """Return what there is of the daemon's own classes, by module and name."""
    gc.collect()
    kinds = map(type, gc.get_objects())
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return Counter(name for name in names if name.startswith("edge_rt."))


def write(file: Path) -> None:
    """Return all of it, in whole or not at all."""
    fds = sum(1 for _ in Path("/proc/self/fd").iterdir())
    held = {"tasks": tasks(), "objects": objects(), "fds": {"all": fds}}
    new = file.with_suffix(".new")
    new.write_text(json.dumps(held))
    new.replace(file)


if __name__ == "__main__":
    place, sys.argv = Path(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGUSR1, lambda *_: write(place))
    runpy.run_path(sys.argv[0], run_name="__main__")
