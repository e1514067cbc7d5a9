"""Keeps answers until it is killed: `python endless_writer.py PATH FIRST`.

Says the number of each that is in the file.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from cache_help import NOW, kept

from edge_rt.cache.exact import ExactCache


async def main(path: Path, first: int) -> None:
    bounds = {"max_bytes": 1 << 20, "memory_bytes": 1 << 16}
    cache = ExactCache(path, ttl_s=1000.0, clock=lambda: NOW, **bounds)
    for number in count(first):
        cache.keep(kept(number))
        await cache.groups()  # by then it is written
        print(number, flush=True)
        if number % 16 == 0:
            await cache.close()  # it is opened again


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
