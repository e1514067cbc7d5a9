"""Keeps answers and beginnings until it is killed: `python endless_writer.py PATH FIRST`.

Says the number of each pair that is in the files. PATH is that of the answers; beginnings lie in
`prefixes` beside it, the last FEW of them.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from cache_help import NOW, kept
from prefix_help import head, state

from edge_rt.engine.kv.prefix_files import PrefixFolder
from edge_rt.generation.cache.exact import ExactCache

FEW = 8


async def main(path: Path, first: int) -> None:
    bounds = {"max_bytes": 1 << 20, "memory_bytes": 1 << 16}
    cache = ExactCache(path, ttl_s=1000.0, clock=lambda: NOW, **bounds)
    folder = PrefixFolder(path.with_name("prefixes"))
    for number in count(first):
        cache.keep(kept(number))
        folder.write(head(number), state(number))
        folder.delete(head(number - FEW).name)
        await cache.groups()  # by then it is written
        print(number, flush=True)
        if number % 16 == 0:
            await cache.close()  # it is opened again


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
