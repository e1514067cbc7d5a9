"""A request goes where it takes the fewest joules, within a budget of watts over all boards.

The balancer runs in LiteLLM's proxy; tests/e2e/test_fleet.py has that. Here it has LiteLLM's base
class and error alone.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "fleet" / "edge_rt_fleet.py"
MODEL = "smol"


class ServiceUnavailableError(Exception):
    """LiteLLM's."""

    status_code = 503

    def __init__(self, message: str, **_: object) -> None:
        super().__init__(message)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as LiteLLM loads it: Python knows it by no name."""
    for name in ("litellm", "litellm.integrations", "litellm.integrations.custom_logger"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    proxy = ModuleType("litellm.proxy")
    proxy.proxy_server = ModuleType("litellm.proxy.proxy_server")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "litellm.proxy", proxy)
    sys.modules["litellm"].ServiceUnavailableError = ServiceUnavailableError  # type: ignore[attr-defined]
    sys.modules["litellm.integrations.custom_logger"].CustomLogger = object  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("edge_rt_fleet", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv(module.WAIT, "0")
    return module


def test_the_list_that_the_how_to_installs_has_the_versions_that_are_tested() -> None:
    tested = FILE.parents[1] / "tests" / "e2e" / "clients" / "clients-litellm-proxy.txt"
    wanted = [x for x in FILE.with_name("requirements.txt").read_text().splitlines() if x[0] != "#"]
    assert {"litellm", "uvicorn"} <= {line.partition("==")[0] for line in wanted}
    assert set(wanted) <= set(tested.read_text().splitlines())


def report(
    token_j: float | None = 1.0, token_s: float | None = 0.1, requests: int = 0, **more: Any
) -> dict[str, Any]:
    """What a daemon tells that draws 3 W at rest and 8 W at work."""
    model = {"id": MODEL, "resident": True, "token_s": token_s, "token_j": token_j}
    usual = {"power_w": 3.0, "idle_w": 3.0, "working_w": 8.0, "retry_after_s": None}
    return usual | {"requests": requests, "sequences": 4, "models": [model]} | more


class Fleet:
    """A balancer over boards that report what they are told to; its clock stands still."""

    def __init__(self, module: Any, reports: Mapping[str, Any], watts: Mapping[str, float]) -> None:
        self.reports, self.now_s, self.looks = dict(reports), 100.0, 0
        self.balancer = module.Balancer(self._ask, lambda: self.now_s)
        self.deployments = [
            {
                "litellm_params": {"model": f"openai/{MODEL}", "api_base": f"http://{name}/v1"},
                "model_info": {"id": name} | ({"watts": watts[name]} if name in watts else {}),
            }
            for name in reports
        ]

    async def _ask(self, url: str, key: str | None) -> Any:
        self.looks += 1
        return self.reports[url.removeprefix("http://")]

    async def choose(self, failed: tuple[str, ...] = ()) -> list[str]:
        """Return the boards that are left for a request, which has failed on some."""
        request = {"_retry_skipped_deployment_ids": failed}
        left = await self.balancer.async_filter_deployments(
            "assistant", self.deployments, [], request
        )
        return [one["model_info"]["id"] for one in left]


@pytest.fixture
def over(fleet: Any) -> Callable[..., Fleet]:
    def make(watts: Mapping[str, float] = {}, **reports: Any) -> Fleet:
        return Fleet(fleet, reports, watts)

    return make


def test_the_fewest_joules_win_among_boards_that_are_about_as_fast(over: Any) -> None:
    async def run() -> None:
        boards = over(cheap=report(1.0), dear=report(2.0), slow=report(0.1, token_s=0.3))
        assert await boards.choose() == ["cheap"]

    asyncio.run(run())


def test_a_board_that_has_requests_is_slower_and_then_another_is_taken(over: Any) -> None:
    async def run() -> None:
        boards = over(cheap=report(1.0), dear=report(2.0))
        assert [await boards.choose() for _ in range(3)] == [["cheap"], ["cheap"], ["dear"]]
        boards.now_s += 1.0  # all are done
        assert await boards.choose() == ["cheap"]

    asyncio.run(run())


def test_reports_are_asked_for_only_when_they_are_old(over: Any) -> None:
    async def run() -> None:
        boards = over(a=report(), b=report())
        for _ in range(5):
            await boards.choose()
        assert boards.looks == 2
        boards.now_s += 1.0
        await boards.choose()
        assert boards.looks == 4

    asyncio.run(run())


def test_a_budget_keeps_a_second_board_at_rest(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        boards = over(cheap=report(1.0), dear=report(2.0))
        monkeypatch.setenv(fleet.WATTS, "12")  # 8 W at work and 3 W at rest
        assert [await boards.choose() for _ in range(3)] == [["cheap"]] * 3
        monkeypatch.setenv(fleet.WATTS, "17")
        assert await boards.choose() == ["dear"]

    asyncio.run(run())


def test_under_a_budget_requests_wait_for_boards_that_make_the_most_of_it(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worse board that is at work gets no more, and so comes to rest."""

    async def run() -> None:
        monkeypatch.setenv(fleet.WATTS, "12")
        boards = over(cheap=report(1.0), dear=report(2.0, requests=1))
        with pytest.raises(ServiceUnavailableError):
            await boards.choose()
        boards.now_s += 1.0
        boards.reports["dear"] = report(2.0)
        assert await boards.choose() == ["cheap"]

    asyncio.run(run())


def test_under_a_budget_a_board_gets_no_work_for_a_long_time(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setenv(fleet.WATTS, "12")
        boards = over(cheap=report(1.0, requests=7))
        assert await boards.choose() == ["cheap"]
        with pytest.raises(ServiceUnavailableError):
            await boards.choose()

    asyncio.run(run())


def test_a_request_that_waits_for_watts_holds_up_no_other(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setenv(fleet.WATTS, "12")
        monkeypatch.setenv(fleet.WAIT, "20")
        boards = over(full=report(1.0, requests=8), free=report(2.0, working_w=3.0))
        full, free = boards.deployments
        ask = boards.balancer.async_filter_deployments
        waits = asyncio.ensure_future(ask("one", [full]))
        assert await asyncio.wait_for(ask("two", [free]), 5.0) == [free]
        assert not waits.done()
        boards.now_s += 1.0
        boards.reports["full"] = report(1.0)
        assert await waits == [full]

    asyncio.run(run())


def test_a_board_that_draws_more_than_its_governor_predicts_counts_with_that(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setenv(fleet.WATTS, "12")
        boards = over(cheap=report(1.0, requests=1, power_w=11.0))
        assert await boards.choose() == ["cheap"]
        boards.now_s += 1.0
        boards.reports["cheap"] = report(1.0)
        monkeypatch.setenv(fleet.WATTS, "11")
        with pytest.raises(ServiceUnavailableError):
            await boards.choose()

    asyncio.run(run())


def test_without_room_in_the_budget_a_client_is_told_to_come_again(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setenv(fleet.WATTS, "10")
        boards = over(cheap=report(1.0), dear=report(2.0))
        with pytest.raises(ServiceUnavailableError, match="6 W of 10 W; ask again in 2 s") as told:
            await boards.choose()
        made: list[Any] = []
        error = type("HTTPException", (), {"__init__": lambda self, *a, **k: made.append((a, k))})
        web = ModuleType("fastapi")
        web.HTTPException = error  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fastapi", web)
        hook = boards.balancer.async_post_call_failure_hook
        assert await hook({}, told.value, None) is not None
        assert made[0][1]["headers"] == {"retry-after": "2"}
        assert await hook({}, ValueError("not ours"), None) is None

    asyncio.run(run())


def test_a_board_without_a_sensor_counts_as_the_configuration_says(
    over: Any, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setenv(fleet.WATTS, "30")
        blind = {"power_w": None, "idle_w": None, "working_w": None}
        assert await over(a=report(None, **blind), b=report(9.0)).choose() == ["b"]
        stated = over({"a": 9.0}, a=report(0.5, **blind), b=report(9.0))
        assert await stated.choose() == ["a"]
        monkeypatch.setenv(fleet.WATTS, "11.9")  # 9 W and 3 W
        with pytest.raises(ServiceUnavailableError):
            await over({"a": 9.0}, a=report(0.5, **blind), b=report(9.0)).choose()

    asyncio.run(run())


def test_a_board_that_refuses_or_failed_this_request_rests(over: Any) -> None:
    async def run() -> None:
        boards = over(cheap=report(1.0, retry_after_s=7.0), dear=report(2.0), last=report(3.0))
        assert await boards.choose() == ["dear"]
        assert await boards.choose(failed=("dear",)) == ["last"]
        with pytest.raises(ServiceUnavailableError, match="every board refuses"):
            await boards.choose(failed=("dear", "last"))
        boards.now_s += 7.5
        boards.reports["cheap"] = report(1.0)
        assert await boards.choose() == ["cheap"]

    asyncio.run(run())


def test_what_a_board_says_when_it_refuses_holds(over: Any) -> None:
    async def run() -> None:
        boards = over(cheap=report(1.0), dear=report(2.0))
        assert await boards.choose() == ["cheap"]
        error = ServiceUnavailableError("too hot")
        error.litellm_response_headers = {"retry-after": "40"}  # type: ignore[attr-defined]
        what = {"exception": error, "litellm_params": {"api_base": "http://cheap/v1"}}
        await boards.balancer.async_log_failure_event(what, None, None, None)
        boards.now_s += 30.0
        assert await boards.choose() == ["dear"]
        boards.now_s += 30.0
        assert await boards.choose() == ["cheap"]

    asyncio.run(run())


def test_a_board_that_is_away_gets_nothing_and_others_than_daemons_are_left_to_litellm(
    over: Any,
) -> None:
    async def run() -> None:
        assert await over(gone=None, there=report(9.0)).choose() == ["there"]
        assert await over(cloud=None, other=None).choose() == ["cloud", "other"]

    asyncio.run(run())


def test_joules_that_nobody_knows_come_after_those_that_are_known(over: Any) -> None:
    async def run() -> None:
        assert await over(a=report(None), b=report(5.0)).choose() == ["b"]
        assert await over(a=report(None, token_s=None), b=report(None)).choose() == ["b"]

    asyncio.run(run())


def test_a_model_that_must_be_loaded_first_is_slower(over: Any) -> None:
    async def run() -> None:
        cold = report(1.0, token_s=0.02)
        cold["models"][0]["resident"] = False
        assert await over(cold=cold, warm=report(2.0, token_s=0.02)).choose() == ["warm"]

    asyncio.run(run())
