"""An answer of two models has both in memory, and goes on in another engine."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed
from simulated import Simulated

from edge_rt.config.schema import Config
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.decoding import Gating, Made, Mode, Sampling
from edge_rt.core.errors import RequestError
from edge_rt.core.reports.planning import PlanAsk
from edge_rt.core.requests import Call, Cost, Plan
from edge_rt.core.routing import DecodingRequest, RequestTokens, RouteRequest
from edge_rt.models.loading import resident_name
from edge_rt.models.pair import Pair
from edge_rt.routing.router import ONLY

BIG, TINY = "big", "tiny"
SPECULATIVE = Mode("speculative", TINY)
SWITCH = Pair(large=BIG, small=TINY, mode="switch:entropy", large_share=0.4)
MADE = Made(small=6, large=3, switches=2, catch_up=5, accepted=0, rejected=1)
HALF = Made(small=1, large=1, switches=1, catch_up=1, accepted=0, rejected=1)
TOKENS = RequestTokens(64, 0, 65)
USUAL = DecodingRequest()


def house_of(kit: Any, *pairs: Pair, config: Config | None = None, **fields: Any) -> Any:
    house = kit.house(config, models=(BIG, TINY), **fields)
    entries = [replace(kit.entry, id=BIG, sha256="b" * 64), kit.entry]
    house.entries = lambda: entries
    house.known_pairs = list(pairs)
    return house


def names(house: Any) -> tuple[str, str]:
    return resident_name(house.get(BIG)), resident_name(house.get(TINY))


def route_request(mode: DecodingRequest = USUAL, model: str = BIG, **fields: Any) -> RouteRequest:
    return RouteRequest("cmpl-1", model, "x" * 400, mode=mode, **fields)


class Pairing(Simulated):
    """Tells with each answer how it was made."""

    def pop(self, index: Any = 0) -> list[Any]:
        *events, end = super().pop(index)
        return [*events, changed(end, made=MADE)]


def test_both_are_held_while_it_lasts(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        big, tiny = names(house)
        seen: list[int] = []

        def look() -> None:
            seen.extend(r.users for r in house.pool.residents())

        house.scripts = [[kit.started(), look, kit.finished()]]
        await house.answer(BIG, mode=SPECULATIVE)
        assert (house.loads, seen) == ([big, tiny], [1, 1])
        assert [r.users for r in house.pool.residents()] == [0, 0]
        [asked] = house.asked
        assert asked.model == big
        assert asked.mode == changed(SPECULATIVE, partner=tiny)
        assert house.governor_loop.admitted == [False]
        await house.pool.unload(tiny)
        await house.answer(BIG, mode=SPECULATIVE)
        assert house.governor_loop.admitted[-1]

    kit.run(run())


def test_it_goes_on_in_another_engine(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        big, tiny = names(house)
        house.scripts = [
            [kit.started(), changed(kit.delta(7, 607), made=HALF), kit.lost],
            [kit.started(), kit.delta(8), changed(kit.finished(), made=MADE)],
        ]
        said = await house.said(BIG, mode=SPECULATIVE)
        assert house.loads == [big, tiny, big, tiny]
        assert house.asked[1].resume == {0: [7, 607]}
        assert [asked.made for asked in house.asked] == [{}, {0: HALF}]
        assert house.asked[1].mode == house.asked[0].mode
        assert said[-1].made == MADE

    kit.run(run())


def test_the_ledger_says_who_wrote_it(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        Pairing(house)
        await house.answer(BIG, prompt_tokens=40, mode=SPECULATIVE)
        await house.answer(BIG, prompt_tokens=40)
        plain, together = (await house.service.ledger(1, 2)).last
        assert (together.mode, together.partner) == ("speculative", TINY)
        assert (together.small_tokens, together.large_tokens, together.switches) == (6, 3, 2)
        assert together.catch_up_tokens == 5
        assert (plain.mode, plain.partner) == (None, None)

    kit.run(run())


def test_the_ledger_says_who_wrote_what_nobody_waited_for(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        told = changed(kit.delta(7, 607), made=HALF)
        house.scripts = [[kit.started(), kit.passing(house, 0.5), told, asyncio.Event()]]
        async with aclosing(house.generate(BIG, mode=SPECULATIVE)) as events:
            async for event in events:
                if event == told:
                    break
        await house.energy_meter.finish()
        [entry] = house.book.recent(9)
        assert (entry.status, entry.small_tokens, entry.rejected_tokens) == ("cancelled", 1, 1)

    kit.run(run())


def test_a_partner_that_is_not_there_is_told(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        for mode in (DecodingRequest("speculative"), DecodingRequest("switch", "gone")):
            with pytest.raises(RequestError):
                await house.service.router.route(route_request(mode))

    kit.run(run())


@pytest.mark.parametrize(
    ("mode", "judged"),
    [
        (None, BIG),
        (SPECULATIVE, BIG),
        (Mode("switch", TINY, gating=Gating()), TINY),
    ],
)
def test_an_answer_is_refused_only_where_the_lighter_model_could_not_afford_it(
    kit: Any, mode: Mode | None, judged: str
) -> None:
    async def run() -> None:
        house = house_of(kit)
        asked: list[str] = []
        house.routing.least = lambda entry, *tokens: asked.append(entry.id)
        house.scripts = [[kit.started(), kit.delta(1), kit.finished()]]
        await house.answer(BIG, mode=mode, deadline_s=house.now + 9.0)
        assert asked == [judged]

    kit.run(run())


# --- routing


def test_what_is_asked_for_is_served(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, Pair(large=BIG, small=TINY))
        served = await house.service.router.route(
            route_request(DecodingRequest("switch:entropy", large_share=0.3))
        )
        assert served.model == BIG
        assert served.mode == Mode("switch", TINY, gating=Gating(share=0.3))
        assert (served.why, served.trace) == (ONLY, None)
        assert (
            await house.service.router.route(route_request(DecodingRequest("single")))
        ).mode is None
        assert (
            await house.service.router.route(route_request(DecodingRequest("lookup"), TINY))
        ).mode == Mode("lookup")

    kit.run(run())


def test_of_any_model_one_that_has_the_mode_is_taken(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, Pair(large=BIG, small=TINY))
        served = await house.service.router.route(
            route_request(DecodingRequest("speculative"), "auto", trace=True)
        )
        assert (served.model, served.mode) == (BIG, SPECULATIVE)
        assert served.trace is not None
        rules = {c.candidate.setting.variant: c.rule for c in served.trace.considered}
        assert rules[TINY] == "mode"

    kit.run(run())


def test_the_usual_mode_of_a_pair_holds(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, SWITCH)
        served = await house.service.router.route(route_request())
        assert served.mode == Mode("switch", TINY, gating=Gating(share=0.4))
        house.routing.router._room._available = lambda: 0
        assert (await house.service.router.route(route_request())).mode is None

    kit.run(run())


def test_the_usual_mode_is_for_what_both_can_read(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, SWITCH)
        big, tiny = house.entries()
        short = replace(tiny, summary=changed(tiny.summary, context_train=1024))
        house.entries = lambda: [big, short]
        assert (await house.service.router.route(route_request())).mode is None

    kit.run(run())


def test_what_either_has_read_counts_for_it_alone(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, Pair(large=BIG, small=TINY))
        lengths, prompt = house.routing.lengths, "x" * 400
        read = lambda id: lengths.of(house.get(id), prompt, 9, 2048).cached  # noqa: E731
        story = [kit.started(), kit.delta(1), kit.finished()]
        house.scripts = [list(story), list(story)]
        await house.answer(TINY)
        await house.service.preload(BIG)
        assert (read(BIG), read(TINY)) == (0, 0)
        for mode, known in ((None, (True, False)), (SPECULATIVE, (True, True))):
            call = Call(Plan(BIG, mode=mode), prompt, False, Sampling())
            house.scripts = [list(story)]
            [event async for event in house.service.generation.generate(call)]
            assert (read(BIG) > 0, read(TINY) > 0) == known

    kit.run(run())


CHAT = ChatPrompt([{"role": "user", "content": "hey"}])


def read_by(house: Any, **templates: str | None) -> None:
    """Have the models read chats by these templates."""
    entries = [
        replace(entry, summary=changed(entry.summary, chat_template=templates[entry.id]))
        for entry in house.entries()
    ]
    house.entries = lambda: entries


def test_a_partner_reads_by_its_own_template(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, SWITCH)
        usual = house.entry.summary.chat_template
        read_by(house, big="{{ messages[0].content }}!", tiny=usual)
        served = await house.service.router.route(replace(route_request(), prompt=CHAT))
        assert (served.prompt, served.mode.prompt) == ("hey!", "hey|")
        assert (served.alone.prompt, served.alone.mode) == ("hey!", None)
        assert served.alone.less == "big answers by itself: tiny cannot help"
        served = await house.service.router.route(route_request())
        assert (served.prompt, served.mode.prompt) == ("x" * 400, None)

    kit.run(run())


ASKED = [DecodingRequest("switch"), DecodingRequest(partner=TINY), DecodingRequest(large_share=0.3)]


def test_a_partner_whose_template_refuses_is_left_out_unless_it_was_asked_for(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, SWITCH)
        read_by(house, big=house.entry.summary.chat_template, tiny=None)
        route = house.service.router.route
        served = await route(replace(route_request(), prompt=CHAT))
        assert (served.model, served.prompt, served.mode) == (BIG, "hey|", None)
        for mode in ASKED:
            with pytest.raises(RequestError, match="no chat template"):
                await route(replace(route_request(mode), prompt=CHAT))

    kit.run(run())


def test_who_names_tokens_gets_no_partner_unasked(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, SWITCH)
        route = house.service.router.route
        assert (await route(route_request(own_tokens=True))).mode is None
        for mode in ASKED:
            served = await route(route_request(mode, own_tokens=True))
            assert served.mode.partner == TINY
            assert served.alone is None, "nobody decodes otherwise than was asked for"

    kit.run(run())


# --- plans


def test_a_plan_has_each_mode_and_can_run_it(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, Pair(large=BIG, small=TINY))
        Pairing(house)
        ask = PlanAsk(prompt="x" * 40, models=[BIG], threads=[2], max_tokens=8)
        report = await house.service.plan(ask)
        found = {(c.model, c.mode, c.partner) for c in report.candidates}
        assert found == {
            (BIG, "single", None),
            (BIG, "lookup", None),
            (BIG, "speculative", TINY),
        }
        assert report.candidates[0].chosen
        assert report.candidates[0].mode == "single"
        assert len({one.seconds for one in report.candidates}) == 1
        reasons = {one.mode: one.reason for one in report.candidates}
        assert reasons["lookup"] == reasons["speculative"]
        assert reasons["speculative"] == "the figures are those of big by itself"
        tried = [document async for document in house.service.tries(ask)][1:]
        assert {(one.predicted.mode, one.failure) for one in tried} == {
            ("single", None),
            ("lookup", None),
            ("speculative", None),
        }
        modes = {asked.mode and asked.mode.label for asked in house.asked}
        assert modes == {None, "lookup", "speculative"}
        [speculative] = [a.mode for a in house.asked if a.mode and a.mode.partner]
        assert speculative.partner == names(house)[1]
        booked = {(one.mode, one.partner) for one in (await house.service.ledger(1, 9)).last}
        assert booked == {(None, None), ("lookup", None), ("speculative", TINY)}

    kit.run(run())


def test_costs_are_those_of_both(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        Pairing(house)
        for _ in range(3):
            await house.rest(1.0)
        *_, cost, _ = await house.answer(BIG, prompt_tokens=40, mode=SPECULATIVE)
        assert isinstance(cost, Cost)
        assert cost.energy_j is not None

    kit.run(run())
