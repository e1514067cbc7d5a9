"""Models on one base have its weights in memory once, and room is counted so."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.config.schema import Config, Engine, Models
from edge_rt.core.routing import LoadConfig
from edge_rt.engine.model_pool import Resident
from edge_rt.models.loading import resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.routing.loading import Room, wanted

CONFIG = Config(engine=Engine(kv_type=["f16", "q4_0"]), models=Models(reserve_bytes=0))
F16 = LoadConfig(0, "f16")


def base(kit: Any) -> ModelRecord:
    return replace(kit.entry, size=2 << 30)


def adapted(kit: Any, name: str) -> ModelRecord:
    adapter = replace(kit.entry, id=name, size=1 << 20)
    return replace(base(kit), id=f"tiny+{name}", base="tiny", adapters=((adapter, 1.0),))


def room(spare: int, *at_work: ModelRecord) -> Room:
    """Return the room beside models at work, where so many bytes are left."""
    client: Any = SimpleNamespace(gpus=())
    residents = {
        resident_name(one): Resident(wanted(one, one.path, CONFIG.engine), client, None, 1, 0, 0)  # type: ignore[arg-type]
        for one in at_work
    }
    pool: Any = SimpleNamespace(
        residents=lambda: [*residents.values()], get=residents.get, avoids=lambda way: False
    )
    mapped = max((one.size for one in at_work), default=0)  # which the kernel counts as free
    return Room(CONFIG, pool, lambda: mapped + spare)


def own(entry: ModelRecord) -> int:
    way = wanted(entry, entry.path, CONFIG.engine)
    return way.need_bytes - way.mapped_bytes


@pytest.mark.parametrize("names", [(), ("a",), ("a", "c")])
def test_one_more_on_the_base_needs_no_more_weights(kit: Any, names: tuple[str, ...]) -> None:
    more, loaded = adapted(kit, "b"), [base(kit), *(adapted(kit, name) for name in names)]
    ample = room(2 * own(more), *loaded)
    assert ample.lack(more) is None
    assert ample.lack(more, loaded[0]) is None
    assert ample.spare(more)
    assert ample.load_config(more) == F16
    tight = room(own(more) // 2, *loaded)
    assert tight.lack(more) is not None
    assert not tight.spare(more)


def test_another_base_needs_its_own(kit: Any) -> None:
    other = replace(base(kit), id="other", path=kit.entry.path.with_name("other.gguf"))
    assert room(2 * own(other), base(kit)).lack(other) is not None


def test_two_that_come_together_count_the_base_once(kit: Any) -> None:
    first, second = base(kit), adapted(kit, "b")
    left = first.size + first.size // 5
    assert room(left).spare(first, second)
    assert room(left).lack(second, first) is None
    assert not room(left - first.size).spare(first, second)
