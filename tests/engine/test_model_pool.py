"""Models are loaded when wanted, one at a time, and leave when their memory is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from edge_rt.core.errors import DamagedFile, ModelFileError, Unavailable
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.model_pool import LoadRequest, ModelPool, Resident
from edge_rt.engine.process import AVOIDED_S, FAILED_S, ExitReason
from edge_rt.engine.protocol import Loaded, ModelSpec

GB = 1_000_000_000


class FakeEngine:
    """An engine with memory of `total` bytes; `gate` holds loads back, `errors` fail them."""

    def __init__(self, sizes: dict[str, int], total: int) -> None:
        self.lost = asyncio.Event()
        self.gpus: list[OffloadDevice] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.here: set[str] = set()
        self.loading = 0
        self._sizes = sizes
        self._total = total

    def available(self) -> int:
        return self._total - sum(self._sizes[model] for model in self.here)

    async def load(self, model: str, spec: ModelSpec) -> Loaded:
        assert not self.loading, "one load at a time"
        self.loads.append(model)
        self.loading += 1
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            if self.errors:
                raise self.errors.pop(0)
        finally:
            self.loading -= 1
        self.here.add(model)
        assert self.available() >= 0, "out of memory"
        return Loaded(model, 0.1, 10, spec.context, 1)

    async def unload(self, model: str) -> None:
        self.unloads.append(model)
        await asyncio.sleep(0)
        self.here.discard(model)


class House:
    """A pool over fake engines, with a clock that the test turns."""

    def __init__(self, sizes: dict[str, int] | None = None, total: int = 4 * GB) -> None:
        self.sizes = sizes or {"a": GB, "b": GB, "c": GB}
        self.total = total
        self.now = 100.0
        self.limit = ""  # of memory, that is not the board's
        self.mapped = 0  # bytes of each model that are its file's
        self.share = 0.0  # of its layers, those on a GPU
        self.path: str | None = None  # of every model's file; None: each has its own
        self.ways = [0]  # numbers of layers on a GPU to load each model with, the best first
        self.prepared: list[str] = []
        self.bad: Exception | None = None
        self.idle_bytes = 0
        self.engine = FakeEngine(self.sizes, total)
        self.pool = ModelPool(
            self._connect,
            available=lambda: self.engine.available(),
            reserve_bytes=GB // 2,
            limit=lambda: self.limit,
            clock=lambda: self.now,
            spare=self._spare,
        )

    async def _spare(self) -> bool:
        """End what else of the daemon is idle, and takes `idle_bytes`."""
        idle_bytes, self.idle_bytes = self.idle_bytes, 0
        self.total = self.engine._total = self.total + idle_bytes
        return idle_bytes > 0

    async def _connect(self) -> EngineClient:
        await asyncio.sleep(0)
        if self.engine.lost.is_set():
            self.engine = FakeEngine(self.sizes, self.total)
        return cast(EngineClient, self.engine)

    def use(self, model: str):
        return self.pool.use(model, self.wanted(model))

    def use_all(self, models: str):
        return self.pool.use_all({model: self.wanted(model) for model in models})

    def wanted(self, model: str) -> Callable[[], Coroutine[Any, Any, LoadRequest]]:
        async def prepare() -> LoadRequest:
            self.prepared.append(model)
            await asyncio.sleep(0)
            if self.bad is not None:
                raise self.bad
            specs = [
                ModelSpec("toy", self.path or model, 96, 2, gpu_layers=layers, gpu_share=self.share)
                for layers in self.ways
            ]
            ways = [LoadRequest(model, spec, self.sizes[model], self.mapped) for spec in specs]
            return next((way for way in ways if not self.pool.avoids(way)), ways[0])

        return prepare

    async def touch(self, model: str) -> Resident:
        self.now += 1
        async with self.use(model) as resident:
            return resident

    def here(self) -> list[str]:
        return sorted(r.wanted.model for r in self.pool.residents())


def in_house(**shape: Any) -> Callable[[Callable[[House], Coroutine]], Callable[[], None]]:
    """Run an async test in a house of that shape."""

    def decorate(test: Callable[[House], Coroutine]) -> Callable[[], None]:
        def wrapper() -> None:
            async def run() -> None:
                await asyncio.wait_for(test(House(**shape)), 10)

            asyncio.run(run())

        wrapper.__name__, wrapper.__doc__ = test.__name__, test.__doc__
        return wrapper

    return decorate


async def turns(count: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


@in_house()
async def test_a_model_is_loaded_once_and_stays(house: House) -> None:
    first = await house.touch("a")
    assert await house.touch("a") is first
    assert house.engine.loads == house.prepared == ["a"]
    assert first.users == 0
    assert first.used_s == house.now


@in_house()
async def test_users_who_come_together_share_one_load(house: House) -> None:
    residents = await asyncio.gather(*(house.touch("a") for _ in range(5)))
    assert len(set(map(id, residents))) == 1
    assert house.engine.loads == house.prepared == ["a"]


@in_house()
async def test_loads_are_done_one_at_a_time(house: House) -> None:
    await asyncio.gather(*(house.touch(model) for model in "abcabc"))  # the engine checks it
    assert sorted(house.engine.loads) == ["a", "b", "c"]


@in_house()
async def test_the_least_recently_used_model_makes_room(house: House) -> None:
    for model in "abca":
        await house.touch(model)
    house.sizes["d"] = GB
    await house.touch("d")
    assert house.engine.unloads == ["b"]
    assert house.here() == ["a", "c", "d"]


@in_house(total=3 * GB)
async def test_a_model_in_use_stays(house: House) -> None:
    async with house.use("a"):
        await house.touch("b")
        await house.touch("c")
        assert house.engine.unloads == ["b"]
        async with house.use("c"):
            with pytest.raises(Unavailable) as caught:
                await house.touch("b")
    assert caught.value.code == "out_of_memory"
    assert caught.value.retry_after_s > 0
    for number in ("1000 MB", "500 MB"):  # needed; kept and missing
        assert number in str(caught.value)
    await house.touch("b")  # as soon as somebody has left
    assert house.engine.unloads == ["b", "a"]


@in_house(total=3 * GB)
async def test_models_that_are_used_together_make_no_room_for_each_other(house: House) -> None:
    for model in "ba":  # b would go first
        await house.touch(model)
    await house.pool.unload("a")
    await house.touch("c")
    async with house.use_all("ab") as residents:
        assert sorted(residents) == house.here() == ["a", "b"]
        assert [residents[model].users for model in "ab"] == [1, 1]
    assert house.engine.unloads == ["a", "c"]
    assert [r.users for r in house.pool.residents()] == [0, 0]


@in_house(total=3 * GB)
async def test_who_has_one_of_two_models_is_in_nobodys_way(house: House) -> None:
    house.sizes["d"] = GB

    async def together(models: str) -> list[str]:
        async with house.use_all(models):
            return house.here()

    assert await asyncio.gather(together("ab"), together("cd")) == [["a", "b"], ["c", "d"]]
    assert await asyncio.gather(together("ac"), together("db")) == [["a", "c"], ["b", "d"]]
    async with house.use("a"):
        assert await together("ac") == ["a", "c"]
        with pytest.raises(Unavailable):
            await together("bc")
    assert not any(r.users for r in house.pool.residents())


@in_house(total=3 * GB)
async def test_pairs_in_each_others_way_wait_for_nobody(house: House) -> None:
    async def together(models: str) -> str:
        try:
            async with house.use_all(models):
                await turns()
                return "had"
        except Unavailable as error:
            return error.code

    found = await asyncio.gather(together("ab"), together("ca"), together("bc"))
    assert "had" in found
    assert set(found) <= {"had", "out_of_memory"}
    assert not any(r.users for r in house.pool.residents())
    assert await together("ca") == "had"


@in_house(total=2 * GB)
async def test_what_else_is_idle_goes_before_a_model_is_refused(house: House) -> None:
    house.idle_bytes, house.sizes["big"] = GB, 2 * GB
    await house.touch("a")
    await house.touch("b")
    assert (house.engine.unloads, house.idle_bytes) == (["a"], GB), "where models suffice it stays"
    await house.touch("big")
    assert house.here() == ["big"]
    house.sizes["bigger"] = 3 * GB
    with pytest.raises(Unavailable, match="3000 MB"):
        await house.touch("bigger")


@in_house(total=2 * GB)
async def test_a_want_of_room_is_not_remembered(house: House) -> None:
    async with house.use("a"):
        with pytest.raises(Unavailable):
            await house.touch("b")
    await house.touch("b")


@in_house()
async def test_a_failed_load_is_remembered_for_a_while(house: House) -> None:
    house.engine.errors.append(ModelFileError("bad magic"))
    with pytest.raises(Unavailable, match="bad magic") as first:
        await house.touch("a")
    assert (first.value.code, first.value.retry_after_s) == ("model_load_failed", FAILED_S)
    waits = []
    for _ in range(9):
        with pytest.raises(Unavailable, match="bad magic") as again:
            await house.touch("a")
        waits.append(again.value.retry_after_s)
    assert waits == [FAILED_S - 1 - i for i in range(9)]
    assert house.engine.loads == ["a"]
    await house.touch("b")
    house.now += 1
    await house.touch("a")
    assert house.engine.loads == ["a", "b", "a"]


@in_house()
async def test_what_cannot_be_loaded_in_one_way_is_loaded_in_another(house: House) -> None:
    house.ways = [9, 0]
    house.engine.errors.append(ModelFileError("the GPU is full"))

    async def layers() -> int:
        resident = await house.touch("a")
        await house.pool.unload("a")
        return resident.wanted.spec.gpu_layers

    assert await layers() == 0
    assert len(house.engine.loads) == 2
    house.now += 2 * FAILED_S
    assert await layers() == 0
    assert len(house.engine.loads) == 3
    house.now += AVOIDED_S
    assert await layers() == 9
    assert await layers() == 9


@in_house()
async def test_a_model_that_fails_in_every_way_is_refused_for_the_first(house: House) -> None:
    house.ways = [9, 0]
    house.engine.errors = [ModelFileError("the GPU is full"), ModelFileError("bad magic")]
    for _ in range(2):
        with pytest.raises(Unavailable, match="the GPU is full"):
            await house.touch("a")
    assert len(house.engine.loads) == 2
    house.now += FAILED_S
    await house.touch("a")  # all of them are as good as each other now


@in_house()
async def test_nobody_is_told_to_try_a_damaged_file_again(house: House) -> None:
    house.engine.errors.append(DamagedFile("cut off"))
    for _ in range(2):
        with pytest.raises(Unavailable, match="cut off") as caught:
            await house.touch("a")
        assert (caught.value.code, caught.value.retry_after_s) == ("model_damaged", None)
    assert house.engine.loads == ["a"]
    house.now += FAILED_S
    await house.touch("a")


@in_house()
async def test_a_bad_file_is_remembered_as_a_failed_load(house: House) -> None:
    house.bad = ModelFileError("its sha256 changed")
    for _ in range(3):
        with pytest.raises(Unavailable, match="sha256 changed"):
            await house.touch("a")
    assert house.prepared == ["a"]
    assert house.engine.loads == []


@in_house()
async def test_who_waited_for_a_load_that_fails_hears_of_it(house: House) -> None:
    house.engine.errors.append(ModelFileError("bad magic"))
    results = await asyncio.gather(*(house.touch("a") for _ in range(3)), return_exceptions=True)
    assert [type(r) for r in results] == [Unavailable] * 3
    assert house.engine.loads == ["a"]


@in_house()
async def test_the_sweep_unloads_what_nobody_used_for_long(house: House) -> None:
    await house.touch("a")
    house.now += 50
    await house.touch("b")
    async with house.use("c"):
        house.now += 10
        await house.pool.sweep(60)
        assert house.here() == ["b", "c"]
        house.now += 1000
        await house.pool.sweep(60)
        assert house.here() == ["c"]  # in use for long is not idle for long
    await house.pool.sweep(60)
    assert house.here() == ["c"]  # its use ended only now


@in_house()
async def test_a_model_is_unloaded_on_demand_unless_it_is_in_use(house: House) -> None:
    async with house.use("a"):
        assert not await house.pool.unload("a")
        assert house.here() == ["a"]
    assert await house.pool.unload("a")
    assert await house.pool.unload("a")  # it is gone already
    assert house.here() == []
    assert house.pool.load_s == {"a": 0.1}  # for when it is wanted again


@in_house()
async def test_a_model_that_somebody_waits_for_is_not_unloaded(house: House) -> None:
    unloaded: list[bool] = []

    async def unload_again_and_again() -> None:
        while True:
            unloaded.append(await house.pool.unload("a"))
            await asyncio.sleep(0)

    others = asyncio.create_task(unload_again_and_again())
    await asyncio.wait_for(house.touch("a"), 10)
    others.cancel()
    assert house.engine.loads == ["a"]
    assert False in unloaded


@in_house()
async def test_holding_keeps_a_model_and_is_no_use(house: House) -> None:
    resident = await house.touch("a")
    used = resident.used_s
    house.now += 100
    with house.pool.hold(resident):
        await house.pool.sweep(60)
        assert house.here() == ["a"]
    assert resident.used_s == used
    await house.pool.sweep(60)
    assert house.here() == []


@in_house()
async def test_a_lost_engine_has_no_models_and_they_are_loaded_in_the_next(house: House) -> None:
    first = await house.touch("a")
    await house.touch("b")
    lost = house.engine
    lost.lost.set()
    assert house.here() == []
    second = await house.touch("a")
    assert second is not first
    assert house.engine is not lost
    assert house.engine.loads == ["a"]
    await house.pool.sweep(0)
    assert lost.unloads == []


@in_house()
async def test_an_engine_that_dies_of_a_load_twice_is_a_failed_load(house: House) -> None:
    house.engine.errors = [EngineLost("gone"), EngineLost("gone")]
    with pytest.raises(EngineLost):  # something else may have ended it
        await house.touch("a")
    with pytest.raises(Unavailable, match="gone") as caught:
        await house.touch("a")
    assert caught.value.code == "model_load_failed"
    assert house.engine.loads == ["a", "a"]


@in_house()
async def test_who_ends_engines_again_is_left_alone_for_longer(house: House) -> None:
    house.engine.errors = [EngineLost("gone") for _ in range(3)]
    with pytest.raises(EngineLost):
        await house.touch("a")
    for wait_s in (2 * FAILED_S, 4 * FAILED_S):
        with pytest.raises(Unavailable) as caught:
            await house.touch("a")
        assert caught.value.retry_after_s == pytest.approx(wait_s)
        house.now += wait_s


@in_house()
async def test_an_engine_that_is_killed_from_outside_says_nothing_of_a_load(house: House) -> None:
    exit_reason = asyncio.get_running_loop().create_future()
    exit_reason.set_result(ExitReason("killed", outside=True))
    house.engine.errors = [EngineLost("gone", exit_reason) for _ in range(5)]
    for _ in range(5):
        with pytest.raises(EngineLost):
            await house.touch("a")
    await house.touch("a")


@in_house()
async def test_a_load_that_the_kernel_killed_for_memory_tells_what_to_do(house: House) -> None:
    exit_reason = asyncio.get_running_loop().create_future()
    exit_reason.set_result(ExitReason("memory was short", short_of_memory=True))
    house.engine.errors = [EngineLost("gone", exit_reason), EngineLost("gone", exit_reason)]
    with pytest.raises(EngineLost):
        await house.touch("a")
    for wait_s in (2 * FAILED_S, 2 * FAILED_S - 1):
        with pytest.raises(Unavailable, match="smaller model") as caught:
            await house.touch("a")
        assert (caught.value.code, caught.value.retry_after_s) == ("out_of_memory", wait_s)
        assert "memory was short" in str(caught.value)
        assert "verify" not in str(caught.value)
    assert house.engine.loads == ["a", "a"]
    house.now += wait_s
    await house.touch("a")


@in_house(total=GB)
async def test_what_bounds_memory_besides_the_board_is_told(house: House) -> None:
    with pytest.raises(Unavailable, match=r"500 MB are kept for others: 500 MB are missing\. Use"):
        await house.touch("a")
    house.limit = "of what MemoryMax= allows"
    with pytest.raises(Unavailable, match="memory: 500 MB are missing of what MemoryMax= allows"):
        await house.touch("a")


@in_house(total=3 * GB)
async def test_what_a_lost_engine_had_is_loaded_again(house: House) -> None:
    await house.touch("a")
    used_s = (await house.touch("b")).used_s
    house.engine.lost.set()
    await house._connect()
    house.now += 50
    await house.pool.restore()
    assert house.engine.loads == ["b", "a"]
    assert house.here() == ["a", "b"]
    assert house.pool.get("b").used_s == used_s  # nobody has used it since
    await house.pool.restore()
    assert house.engine.loads == ["b", "a"]


@in_house(total=3 * GB)
async def test_only_what_there_is_room_for_is_loaded_again(house: House) -> None:
    await house.touch("a")
    await house.touch("b")
    house.engine.lost.set()
    house.total = 2 * GB
    await house.touch("c")
    await house.pool.restore()
    assert house.here() == ["c"]


@in_house()
async def test_what_is_not_to_be_loaded_again_is_not(house: House) -> None:
    await house.touch("a")
    house.engine.lost.set()
    house.pool.forget_lost()
    await house.pool.restore()
    assert house.here() == []


@in_house()
async def test_a_model_that_cannot_be_loaded_again_keeps_no_other_from_it(house: House) -> None:
    await house.touch("a")
    await house.touch("b")
    house.engine.lost.set()
    await house._connect()
    house.engine.errors = [ModelFileError("gone")]
    await house.pool.restore()
    assert house.here() == ["a"]


@in_house()
async def test_an_engine_that_never_ends_a_load_is_ended(house: House) -> None:
    terminated: list[ExitReason] = []

    def terminate(exit_reason: ExitReason) -> None:
        terminated.append(exit_reason)
        house.engine.errors = [EngineLost("gone")]
        house.engine.gate.set()

    house.engine.terminate = terminate
    house.engine.gate.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_rt.engine.model_pool.LOAD_S", -1e9)
        with pytest.raises(EngineLost):
            await house.touch("a")
    assert "loading a" in terminated[0].why


@in_house()
async def test_a_load_that_succeeds_clears_the_suspicion(house: House) -> None:
    for _ in range(3):
        house.engine.errors = [EngineLost("gone")]
        with pytest.raises(EngineLost):
            await house.touch("a")
        await house.touch("a")
        house.now += 100
        await house.pool.sweep(1)


@in_house(total=2 * GB)
async def test_mapped_files_in_use_are_not_available_though_the_kernel_says_so(
    house: House,
) -> None:
    house.mapped = GB
    house.engine.available = lambda: 2 * GB
    async with house.use("a"):
        with pytest.raises(Unavailable, match="500 MB are missing"):
            await house.touch("b")
    await house.touch("b")
    assert house.engine.unloads == ["a"]


@in_house(total=2 * GB)
async def test_the_weights_of_one_file_count_once_for_all_models_on_it(house: House) -> None:
    house.mapped, house.path = GB, "base"
    house.sizes.update(a=GB, b=GB + GB // 4)  # with keys and values of its own
    house.engine.available = lambda: 2 * GB
    async with house.use("a"):
        await house.touch("b")
        assert house.here() == ["a", "b"]
        house.path = "other"
        with pytest.raises(Unavailable, match="500 MB are missing"):
            await house.touch("c")


@in_house(total=3 * GB)
async def test_what_lies_on_a_gpu_that_shares_the_memory_is_missing_once(house: House) -> None:
    """The kernel does not count its copy of the file as available, as it does the file's pages."""
    house.mapped, house.share = GB, 1.0
    house.engine.gpus = [OffloadDevice("Orin", "CUDA", True, None, None, False)]
    await house.touch("a")
    async with house.use("a"):
        await house.touch("b")
    assert house.here() == ["a", "b"]


@in_house(total=GB)
async def test_where_no_model_can_make_room_one_should_wait_longer(house: House) -> None:
    with pytest.raises(Unavailable, match="500 MB are missing") as alone:
        await house.touch("a")
    house.total = house.engine._total = 2 * GB
    async with house.use("a"):
        with pytest.raises(Unavailable) as beside:
            await house.touch("b")
    assert alone.value.retry_after_s > beside.value.retry_after_s


@in_house()
async def test_no_memory_is_asked_for_twice_for_a_model_that_is_there(house: House) -> None:
    await house.touch("a")
    house.engine.available = lambda: 0
    await house.touch("a")
    assert house.engine.loads == ["a"]


@in_house()
async def test_a_load_goes_on_when_the_one_who_wanted_it_leaves(house: House) -> None:
    house.engine.gate.clear()
    gone = asyncio.ensure_future(house.touch("a"))
    await turns()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    others = [asyncio.ensure_future(house.touch(model)) for model in "ab"]
    await turns()
    assert house.engine.loads == ["a"]
    house.engine.gate.set()
    await asyncio.gather(*others)
    assert house.engine.loads == ["a", "b"]
    assert house.here() == ["a", "b"]


@in_house(total=2 * GB)
async def test_models_that_drive_each_other_out_are_all_used_in_turn(house: House) -> None:
    results = await asyncio.gather(*(house.touch(model) for model in "abc"))
    assert [r.wanted.model for r in results] == ["a", "b", "c"]
    assert house.engine.loads == ["a", "b", "c"]
    assert house.here() == ["c"]
