"""Routing of LiteLLM's proxy over edge_rt daemons: the fewest joules within a budget of watts.

LiteLLM loads this file by `litellm_settings: {callbacks: [edge_rt_fleet.balancer]}` from the folder
of its configuration, and asks `async_filter_deployments` before each try. It needs nothing but
LiteLLM and what that brings.
"""

# LiteLLM runs this file as no module that Python knows, so dataclasses cannot look up names:
# annotations are no texts here, and name what stands above them.

import asyncio
import logging
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import litellm
from litellm.integrations.custom_logger import CustomLogger

WATTS = "EDGE_RT_FLEET_W"  # environment: the most that all boards may draw together
WAIT = "EDGE_RT_FLEET_WAIT_S"  # environment: the longest wait of a request for watts
WAIT_S = 20.0
FRESH_S = 0.25  # a report is used for so long
LOOK_S = 1.0  # for a board to answer
LATE_S = 0.3  # nobody waits longer than this for a board that is slow to answer
AGAIN_S = 0.05  # between two looks for watts that became free
ARRIVES_S = 0.05  # a request that was sent so long ago is in the board's report
BUSY_S = 2.0  # for a client to come again where no board says when
FAILED_S = 1.0  # rest of a board that failed without saying for how long
SLACK = 2.0  # an answer may take so many times as long as by the fastest board
MARGIN = 0.05  # of the budget's watts that predictions may be wrong by, all together
AHEAD = 2  # requests that a board has under a budget, as a multiple of its sequences
KEPT = 0.999  # of a board's highest power, from one report to the next
JOINED = 0.6  # what an answer beside others adds, as a share of what it takes alone
LOADING_S = 0.05  # seconds a token that loading the model first comes to

log = logging.getLogger("edge_rt_fleet")
Report = Mapping[str, Any]
Ask = Callable[[str, str | None], Awaitable[Report | None]]


@dataclass
class Board:
    """A daemon, as it reported last; the times are of the monotonic clock, in seconds.

    `watts` is what it draws at work where it cannot tell.
    """

    url: str
    key: str | None = None
    watts: float | None = None
    report: Report | None = None
    asked_s: float = -math.inf  # when the report was asked for
    rests_until_s: float = 0.0
    peak_w: float = 0.0  # of all reports with requests, and slowly forgotten
    sent_s: list[float] = field(default_factory=list)  # since about the last report
    look: asyncio.Task[None] | None = None

    @property
    def requests(self) -> int:
        """The requests that it has, those included that it has not reported yet."""
        return 0 if self.report is None else self.report["requests"] + len(self.sent_s)

    def told(self, asked_s: float, report: Report | None) -> None:
        """Take a report that was asked for at `asked_s`; None: the board does not answer."""
        self.report, self.asked_s = report, asked_s
        self.sent_s = [sent_s for sent_s in self.sent_s if sent_s > asked_s - ARRIVES_S]
        if report is not None and report["requests"]:
            self.peak_w = max(report.get("power_w") or 0.0, KEPT * self.peak_w)
        refused_s = None if report is None else report["retry_after_s"]
        if refused_s is not None:
            self.rests_until_s = max(self.rests_until_s, asked_s + refused_s)

    def draw_w(self, *, working: bool) -> float | None:
        """Return what the board draws, or would draw at work; None: it cannot be told."""
        report = self.report or {}
        known = [report.get("working_w"), self.peak_w or None]
        if not working:
            known = [report.get("idle_w"), report.get("power_w")]
        return max((watts for watts in known if watts is not None), default=self.watts)

    def rest_w(self) -> float:
        """Return what it draws without requests, 0 where that is not known."""
        told = (self.report or {}).get("idle_w") if self.requests else None
        return (self.draw_w(working=False) or 0.0) if told is None else told

    def now_w(self) -> float | None:
        """Return what it draws with the requests that it has."""
        return self.draw_w(working=self.requests > 0)


@dataclass(frozen=True)
class Cost:
    """What one more answer on a board takes for each token; None: not known."""

    board: Board
    token_s: float
    token_j: float | None
    alone_j: float | None = None  # where it has no other requests


def cost(board: Board, model: str) -> Cost:
    """Return what one more answer takes on a board that has reported."""
    assert board.report is not None
    models: Sequence[Report] = board.report["models"]
    named = [one for one in models if one["id"] == model]
    found = next(iter(named or [one for one in models if one["resident"]] or models), {})
    alone_s, alone_j = found.get("token_s"), found.get("token_j")
    full = board.requests // max(1, board.report["sequences"])
    slower = 1.0 + JOINED * board.requests + full
    return Cost(
        board,
        (math.inf if alone_s is None else alone_s * slower)
        + (0.0 if found.get("resident") else LOADING_S),
        None if alone_j is None else alone_j * (JOINED if board.requests else 1.0),
        alone_j,
    )


def choose(costs: Iterable[Cost]) -> Board:
    """Return the board with the fewest joules of those that are about as fast as the fastest."""
    costs = list(costs)
    soonest_s = min(one.token_s for one in costs)
    near = [one for one in costs if one.token_s <= SLACK * soonest_s]
    cheapest = min(near, key=lambda one: (one.token_j is None, one.token_j or 0.0, one.token_s))
    return cheapest.board


def worthwhile(costs: Iterable[Cost], fleet: Iterable[Board], budget_w: float) -> list[Cost]:
    """Return those that make the most of the budget, all of them at work; the others come to rest.

    Else a board that takes many joules, once at work, would keep its watts from better ones.
    """
    left_w = budget_w / (1.0 + MARGIN) - sum(board.rest_w() for board in fleet)
    found: list[Cost] = []
    for one in sorted(costs, key=lambda one: math.inf if one.alone_j is None else one.alone_j):
        at_work_w = one.board.draw_w(working=True)
        more_w = math.inf if at_work_w is None else at_work_w - one.board.rest_w()
        if more_w <= left_w:
            left_w -= more_w
            found.append(one)
    if total_w(fleet) * (1.0 + MARGIN) > budget_w:  # the worst one at work comes to rest
        found = found[: max((n for n, one in enumerate(found) if one.board.requests), default=0)]
    return found


def affordable(board: Board, fleet: Iterable[Board], budget_w: float) -> bool:
    """Return whether all boards keep the budget if this one is at work.

    A board whose draw nobody knows cannot be afforded; of the others such a one is not counted.
    Nor can one with requests for a long time, which would draw whatever becomes of the budget.
    """
    at_work_w = board.draw_w(working=True)
    if at_work_w is None or board.report is None:
        return False
    if board.requests >= AHEAD * board.report["sequences"]:
        return False
    return (
        board.requests > 0
        or (at_work_w + total_w(fleet, without=board)) * (1.0 + MARGIN) <= budget_w
    )


def total_w(fleet: Iterable[Board], without: Board | None = None) -> float:
    """Return what all boards but `without` draw, as far as it is known."""
    return sum(board.now_w() or 0.0 for board in fleet if board is not without)


async def ask(url: str, key: str | None) -> Report | None:
    """Return what a daemon reports; None where it does not answer or is none of ours."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        async with httpx.AsyncClient(timeout=LOOK_S, trust_env=False) as client:
            answer = await client.get(f"{url}/edge/v1/load", headers=headers)
        return answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None


class Balancer(CustomLogger):
    """Narrows the deployments of a request to the one that is to answer it."""

    def __init__(self, ask: Ask = ask, clock: Callable[[], float] = time.monotonic) -> None:
        """`ask` asks a board for its report; `clock` is in seconds."""
        super().__init__()
        self._ask, self._clock = ask, clock
        self.boards: dict[str, Board] = {}
        self._mute: set[str] = set()  # boards that the log names already

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[Any],
        messages: list[Any] | None = None,
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any = None,
    ) -> list[Any]:
        """Return the one deployment to try; all of them where none is a daemon that answers.

        Raises ServiceUnavailableError, with Retry-After, where the budget has no room for long.
        """
        until_s = self._clock() + float(os.environ.get(WAIT, WAIT_S))
        while True:
            await self._look({**self._all(), **dict(map(_board, healthy_deployments))})
            # From here on nothing is awaited, so no two requests choose at once.
            self._rest(healthy_deployments, request_kwargs or {})
            able = self._able(healthy_deployments)
            if not able:
                return healthy_deployments
            now_s, rested = self._clock(), self._rested(able)
            if found := self._pick(rested):
                self.boards[_url(found)].sent_s.append(now_s)
                return [found]
            if now_s >= until_s or not rested:
                raise self._no_room(model, refused=not rested)
            await asyncio.sleep(AGAIN_S)

    def _rest(self, deployments: Iterable[Any], request: Mapping[str, Any]) -> None:
        """Let boards rest for a moment on which this very request has just failed."""
        failed = request.get("_retry_skipped_deployment_ids") or ()
        for one in deployments:
            if one["model_info"]["id"] in failed:
                board = self.boards[_url(one)]
                board.rests_until_s = max(board.rests_until_s, self._clock() + FAILED_S)

    def _able(self, deployments: Iterable[Any]) -> list[Any]:
        return [one for one in deployments if self.boards[_url(one)].report is not None]

    def _rested(self, deployments: Iterable[Any]) -> list[Any]:
        now_s = self._clock()
        return [one for one in deployments if self.boards[_url(one)].rests_until_s <= now_s]

    def _pick(self, deployments: Sequence[Any]) -> Any:
        """Return the deployment that takes the fewest joules; None: the budget allows none."""
        costs = [cost(self.boards[_url(one)], _model(one)) for one in deployments]
        budget_w, fleet = os.environ.get(WATTS), self.boards.values()
        if budget_w is not None:
            self._name(fleet)
            costs = worthwhile(costs, fleet, float(budget_w))
            costs = [one for one in costs if affordable(one.board, fleet, float(budget_w))]
        board = choose(costs) if costs else None
        return next((one for one in deployments if self.boards[_url(one)] is board), None)

    def _name(self, fleet: Iterable[Board]) -> None:
        """Log once each board that the budget cannot count."""
        for board in fleet:
            told = board.report is not None and board.draw_w(working=True) is None
            if told and board.url not in self._mute:
                self._mute.add(board.url)
                log.warning(
                    "%s tells no watts, and gets nothing: state model_info.watts", board.url
                )

    def _no_room(self, model: str, *, refused: bool) -> Exception:
        watts = (
            f"the boards draw {total_w(self.boards.values()):.3g} W of {os.environ.get(WATTS)} W"
        )
        why = "every board refuses requests now" if refused else watts
        message = f"edge_rt_fleet: {why}; ask again in {self._again_s()} s"
        return litellm.ServiceUnavailableError(message, llm_provider="edge_rt", model=model)

    def _again_s(self) -> int:
        """Return the whole seconds after which one of the boards should take a request."""
        rests_s = [board.rests_until_s - self._clock() for board in self.boards.values()]
        return math.ceil(max(BUSY_S, min(rests_s, default=0.0)))

    async def async_post_call_failure_hook(
        self, request_data: Any, original_exception: Any, user_api_key_dict: Any, *_: Any, **__: Any
    ) -> Any:
        """Tell the client of a 503 when to come again, which LiteLLM keeps to itself."""
        if getattr(original_exception, "status_code", None) != 503:
            return None
        from fastapi import HTTPException

        headers = {"retry-after": str(self._again_s())}
        return HTTPException(503, detail=str(original_exception), headers=headers)

    # --- what the boards tell

    def _all(self) -> dict[str, Board]:
        """Return the boards of the proxy's whole configuration, which draw watts, too."""
        from litellm.proxy import proxy_server

        router = getattr(proxy_server, "llm_router", None)
        return {} if router is None else dict(map(_board, router.get_model_list() or []))

    async def _look(self, known: Mapping[str, Board]) -> None:
        """Have every board's report that is old asked for; wait LATE_S for them."""
        looks: list[asyncio.Task[None]] = []
        for url, board in known.items():
            board = self.boards.setdefault(url, board)
            if board.look is None and self._clock() - board.asked_s > FRESH_S:
                board.look = asyncio.ensure_future(self._hear(board))
            if board.look is not None:
                looks.append(board.look)
        if looks:
            await asyncio.wait(looks, timeout=LATE_S)

    async def _hear(self, board: Board) -> None:
        asked_s = self._clock()
        try:
            board.told(asked_s, await self._ask(board.url, board.key))
        finally:
            board.look = None

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Let a board rest that refused a request, as long as it says."""
        params = kwargs.get("litellm_params") or {}
        board = self.boards.get(_base(params.get("api_base") or ""))
        error = kwargs.get("exception")
        if board is None or getattr(error, "status_code", None) not in (429, 503):
            return
        board.rests_until_s = self._clock() + _retry_after_s(error)


def _retry_after_s(error: object) -> float:
    headers = getattr(error, "litellm_response_headers", None)
    headers = headers or getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return float(headers.get("retry-after", FAILED_S))
    except ValueError:  # a date
        return FAILED_S


def _base(api_base: str) -> str:
    return api_base.rstrip("/").removesuffix("/v1")


def _url(deployment: Any) -> str:
    return _base(deployment["litellm_params"].get("api_base") or "")


def _model(deployment: Any) -> str:
    return deployment["litellm_params"]["model"].partition("/")[2]


def _board(deployment: Any) -> tuple[str, Board]:
    params, info = deployment["litellm_params"], deployment.get("model_info") or {}
    url = _url(deployment)
    return url, Board(url, params.get("api_key"), info.get("watts"))


balancer = Balancer()
