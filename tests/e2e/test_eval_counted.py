"""Two real models answer on a clock that goes on by what their passes read."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from evallib.asker import Reply, question
from evallib.counted import EXACT, LARGE, Counted, CountedEngine, pass_s

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.quantize import quantize
from edge_rt.models.store.store import Store

BIG, TINY = "smollm2-135m-instruct", "tiny"


@pytest.fixture
def engine(tmp_path: Path, smollm2: Path) -> Any:
    source = tmp_path / smollm2.name
    try:
        os.link(smollm2, source)
    except OSError:  # the cache is on another disk
        shutil.copyfile(smollm2, source)
    store = Store(tmp_path / "models", load_catalogue())
    store.add(source, move=True)
    quantize(BIG, "Q3_K_M", store, new_id=TINY)
    how = Counted(store.root, (BIG, TINY), 512, 1, 5.0)
    with EXACT:
        made = CountedEngine({id: store.check(id) for id in (BIG, TINY)}, store, how)
        yield made
        made.close()


def test_ways_are_compared_by_their_passes(engine: CountedEngine) -> None:
    def ask(edge: Mapping[str, Any], model: str = BIG, tokens: int = 24) -> Reply:
        asked = question(model, "Say the days of the week, twice.", edge, tokens, 0.0, 0)
        return asyncio.run(engine.ask(asked))

    alone = ask({})
    assert (alone.tokens, alone.reason) == (24, "length")
    first = ask({}, tokens=1)
    assert first.seconds == pytest.approx(pass_s(LARGE, alone.prompt_tokens))
    assert alone.seconds - first.seconds == pytest.approx(23 * pass_s(LARGE, 1))
    assert alone.edge["energy_j"] == pytest.approx(5.0 * alone.seconds)
    drafted = ask({"mode": "speculative", "partner": TINY})
    assert drafted.text == alone.text
    assert drafted.edge["accepted_tokens"] > 0
    small = ask({}, model=TINY)
    assert small.seconds < alone.seconds
    assert small.fingerprint != alone.fingerprint
    gated = ask({"mode": "switch:entropy", "partner": TINY, "large_share": 0.5})
    assert gated.edge["small_tokens"] + gated.edge["large_tokens"] == 24
    assert gated.edge["small_tokens"] > 0
