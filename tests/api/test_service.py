"""A client sees one answer, however many engines it took."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from graded import graded
from msgspec.structs import replace

from edge_rt.config.schema import Config, Engine, Models, Requests
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.decoding import Constraint, Sampling, TokenLogprob
from edge_rt.core.errors import (
    EngineError,
    ModelFileError,
    ModelNotFound,
    RequestError,
    Unavailable,
)
from edge_rt.core.reports.governor import BudgetChange
from edge_rt.core.routing import Objectives, RouteRequest
from edge_rt.engine.process import ExitReason
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.report import GovernorReport

TINY = "tiny@" + "0" * 12  # the engine's name for the kit's model
SMALLER = Config(models=Models(smaller={"large": "tiny", "odd": "gone"}))


def test_events_pass_through(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        script = [kit.started(), kit.delta(1), kit.delta(2, 3), kit.finished()]
        house.scripts = [script]
        assert await house.said(n=1, stop=("x",), ignore_eos=True) == script
        (asked,) = house.asked
        assert (asked.model, asked.prompt, asked.max_tokens) == (TINY, [5, 6], 9)
        assert (asked.stop, asked.ignore_eos, asked.resume, asked.done) == (["x"], True, {}, [])

    kit.run(run())


def test_after_a_loss_the_answer_goes_on_where_it_was(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [
            [kit.started(), kit.delta(1, 2), kit.delta(7, index=1), kit.finished(1), kit.lost],
            [kit.started(), kit.delta(3), kit.finished(0)],
        ]
        events = await house.said(n=2)
        assert events == [
            kit.started(),
            kit.delta(1, 2),
            kit.delta(7, index=1),
            kit.finished(1),
            kit.delta(3),
            kit.finished(0),
        ]
        first, second = house.asked
        assert (second.resume, second.done) == ({0: [1, 2], 1: [7]}, [1])
        assert first.sampling.seed is not None
        assert second.sampling == first.sampling
        assert second.id != first.id
        assert house.loads == [TINY, TINY]

    kit.run(run())


def test_the_next_engine_keeps_to_the_constraint_too(kit: Any) -> None:
    async def run() -> None:
        house, wanted = kit.house(), Constraint("regex", "a+", param="edge.regex")
        house.scripts = [[kit.started(), kit.delta(1), kit.lost], [kit.delta(2), kit.finished()]]
        await house.answer(constraint=wanted)
        assert [asked.constraint for asked in house.asked] == [wanted, wanted]

    kit.run(run())


def test_log_probabilities_that_wait_for_their_text_go_on_too(kit: Any) -> None:
    async def run() -> None:
        house, waits = kit.house(), [TokenLogprob(b"\xc3", -0.5)]
        killed = ExitReason("signal SIGKILL, from outside", outside=True)
        first, then = (replace(kit.delta(n), withheld=waits[: 2 - n]) for n in (1, 2))
        house.scripts = [[kit.started(), first, killed], [then, killed], [kit.finished()]]
        await house.answer()
        assert [asked.withheld for asked in house.asked] == [{}, {0: waits}, {0: []}]

    kit.run(run())


def test_what_was_judged_by_is_given_back_whole(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        killed = ExitReason("signal SIGKILL, from outside", outside=True)
        first, then, last = (replace(kit.delta(n), seen=[n / 3, n / 7][: n - 1]) for n in (1, 2, 3))
        house.scripts = [[kit.started(), first, killed], [then, last, killed], [kit.finished()]]
        await house.answer()
        assert [asked.seen for asked in house.asked] == [{}, {}, {0: [2 / 3, 1.0, 3 / 7]}]

    kit.run(run())


def test_a_loss_before_anything_was_said_starts_anew(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        script = [kit.started(), kit.delta(1), kit.finished()]
        house.scripts = [[kit.lost], script]
        assert await house.said() == script
        assert house.asked[1].resume == {}

    kit.run(run())


def test_a_model_that_was_alone_in_two_engines_is_refused(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), kit.lost], [kit.delta(1), kit.lost]]
        with pytest.raises(Unavailable, match="two engines that it was alone in"):
            await house.answer()
        assert len(house.asked) == 2
        assert house.occupancy.active == house.open == 0

    kit.run(run())


def test_everybody_goes_on_after_a_loss(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        reached = asyncio.Event()
        house.scripts = [
            [kit.started(), kit.delta(1), reached, kit.lost],
            [kit.started(), kit.delta(2), reached, kit.lost],
            [kit.delta(3), kit.finished()],
            [kit.delta(3), kit.finished()],
        ]
        answers = [asyncio.ensure_future(house.answer()) for _ in range(2)]
        while len(house.asked) < 2:
            await asyncio.sleep(0)
        reached.set()
        for events in await asyncio.gather(*answers):
            assert [e.tokens for e in events if hasattr(e, "tokens")][1] == [3]
        assert house.loads == [TINY, TINY]

    kit.run(run())


def test_a_seed_that_was_given_is_kept_and_others_differ(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer(sampling=Sampling(seed=0))
        for _ in range(3):
            await house.answer()
        seeds = [asked.sampling.seed for asked in house.asked]
        assert seeds[0] == 0
        assert len(set(seeds)) == 4

    kit.run(run())


@pytest.mark.parametrize(
    "error", [RequestError("no"), Unavailable("no", retry_after_s=1.0), EngineError("no")]
)
def test_errors_of_the_engine_are_the_callers(kit: Any, error: Exception) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), error]]
        with pytest.raises(type(error), match="no"):
            await house.answer()
        assert len(house.asked) == 1
        assert house.occupancy.active == 0

    kit.run(run())


def test_one_more_than_the_queue_holds_is_refused(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(requests=Requests(queue=1)))
        house.scripts = [[kit.started(), asyncio.Event()]]
        async with aclosing(house.generate()) as events:
            await anext(events)
            with pytest.raises(Unavailable) as caught:
                await house.answer()
            assert caught.value.code == "queue_full"
            assert caught.value.retry_after_s > 0
        assert await house.said() == [kit.finished()]

    kit.run(run())


def test_closing_early_frees_everything(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), asyncio.Event()]]
        async with aclosing(house.generate()) as events:
            await anext(events)
            assert (house.open, house.occupancy.active) == (1, 1)
            assert house.pool.residents()[0].users == 1
        assert (house.open, house.occupancy.active) == (0, 0)
        assert house.pool.residents()[0].users == 0

    kit.run(run())


def test_a_file_is_checked_only_when_it_is_loaded(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        for _ in range(3):
            await house.answer()
        assert (house.checks, house.loads) == (["tiny"], [TINY])

    kit.run(run())


def test_a_bad_file_is_a_failed_load(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.bad = ModelFileError("its sha256 changed")
        for attempt in (house.answer, lambda: house.service.preload("tiny")):
            with pytest.raises(Unavailable, match="sha256 changed") as caught:
                await attempt()
            assert caught.value.code == "model_load_failed"
        assert house.checks == ["tiny"]

    kit.run(run())


def test_preloading_makes_the_first_request_fast(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.service.preload("tiny")
        assert house.service.card("tiny").loaded
        await house.answer()
        assert house.loads == [TINY]

    kit.run(run())


@pytest.mark.parametrize(
    ("configured", "models", "expected"),
    [
        (None, ("tiny",), "tiny"),
        (None, ("zeta", "beta"), "beta"),
        ("zeta", ("zeta", "beta"), "zeta"),
    ],
)
def test_the_default_model(
    kit: Any, configured: str | None, models: tuple[str, ...], expected: str
) -> None:
    async def run() -> None:
        house = kit.house(Config(models=Models(default=configured)), models)
        assert house.service.card("default").id == expected
        await house.answer("default")
        assert house.asked[0].model.partition("@")[0] == expected

    kit.run(run())


def test_models_that_are_not_there(kit: Any) -> None:
    async def run() -> None:
        empty = kit.house(models=())
        assert empty.service.cards() == []
        with pytest.raises(ModelNotFound, match="edge-rt models pull"):
            empty.service.card("default")
        with pytest.raises(ModelNotFound):
            await empty.answer("other")
        with pytest.raises(ModelNotFound):
            await empty.service.render("other", ChatPrompt([]))
        gone = kit.house(Config(models=Models(default="gone")))
        with pytest.raises(ModelNotFound, match="gone"):
            await gone.answer("default")
        assert empty.occupancy.active == gone.occupancy.active == 0

    kit.run(run())


def test_cards_say_what_a_client_gets(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(engine=Engine(context=512)), ("b", "a"))
        await house.answer("b")
        a, b = house.service.cards()
        assert (a.id, a.loaded, b.id, b.loaded) == ("a", False, "b", True)
        assert (a.context, a.size_bytes, a.owned_by) == (512, 2000, "nobody")
        assert a.sampling == Sampling(temperature=0.5)
        assert a.has_template
        large = kit.house(Config(engine=Engine(context=1 << 20)))
        assert large.service.card("tiny").context == 2048  # what the model was made for

    kit.run(run())


def test_a_chat_is_rendered_by_the_models_template(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        for word in ("one", "two"):
            text = await house.service.render(
                "default", ChatPrompt([{"role": "user", "content": word}])
            )
            assert text == f"{word}|"

    kit.run(run())


def test_messages_that_cannot_fit_are_refused_before_the_template_sees_them(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(engine=Engine(context=512)))  # of at most 16 bytes a token
        fits = [{"role": "user", "content": "x" * (512 * 16 - 1)}]
        assert await house.service.render("default", ChatPrompt(fits))
        with pytest.raises(RequestError, match="at least 512") as caught:
            await house.service.render(
                "default", ChatPrompt([*fits, {"role": "system", "content": "x"}])
            )
        assert (caught.value.param, caught.value.code) == ("messages", "context_length_exceeded")
        left_out = [{"role": "assistant", "content": "x" * 9999}, {"role": "user", "content": "y"}]
        assert await house.service.render(
            "default", ChatPrompt(left_out)
        )  # by templates that do so

    kit.run(run())


def test_tools_that_the_template_would_leave_out_are_told_in_words(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        messages: list[dict[str, object]] = [{"role": "user", "content": "hi"}]
        tool: dict[str, object] = {"type": "function", "function": {"name": "look"}}
        told = await house.service.render("tiny", ChatPrompt(messages, [tool]))
        assert '{"name": "look"}' in told
        assert (await house.service.chat_format("tiny")).calls.source == "generic"

    kit.run(run())


def test_requests_go_in_when_the_governor_lets_them(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.governor_loop.allow(admission="queue")
        waiting = asyncio.ensure_future(house.said())
        for _ in range(5):
            await asyncio.sleep(0)
        status = await house.service.status()
        assert (status["requests"], status["queued"]) == (1, 1)
        assert house.asked == []
        house.governor_loop.allow()
        assert await waiting == [kit.finished()]
        house.governor_loop.allow(admission="refuse", retry_after_s=7.0, why="no watts are left")
        with pytest.raises(Unavailable, match="no watts are left") as caught:
            await house.answer()
        assert caught.value.retry_after_s == 7.0
        assert house.occupancy.active == 0

    kit.run(run())


def test_an_answer_that_has_begun_asks_nobody_when_its_engine_is_lost(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        refuse = lambda: house.governor_loop.allow(admission="refuse")  # noqa: E731
        house.scripts = [
            [kit.started(), kit.delta(1), refuse, kit.lost],
            [kit.delta(2), kit.finished()],
        ]
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_a_model_is_unloaded_unless_a_request_uses_it(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.service.preload("tiny")
        async with house.routing.manager.resident(house.get("tiny")):
            assert not await house.service.unload("tiny")
        assert house.service.card("tiny").loaded
        assert await house.service.unload("tiny:latest")
        assert not house.service.card("tiny").loaded
        assert await house.service.unload("tiny"), "what is not in memory is out of it"

    kit.run(run())


def test_only_a_model_beside_others_is_a_load_that_waits(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"))
        for model in ("a", "a", "b", "b"):
            await house.answer(model)
        await house.service.preload("a")
        assert house.governor_loop.admitted == [False, False, True, False, False]

    kit.run(run())


def test_budget_governor_and_knobs_are_told(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.knobs = [KnobOutcome("knobs.nvpmodel", "failed", said="there is none")]
        house.service.governor_loop.change(BudgetChange(power_w=5.0))
        house.governor_loop.allow(duty=0.5, why="the power cap allows half of the time")
        told = house.service.budget()
        assert (told.budget.power_w, told.limits.duty) == (5.0, 0.5)
        assert told.knobs[0].error == "there is none"
        assert (await house.service.status())["governor"] == told
        assert house.service.history(60.0).time == []

    kit.run(run())


def test_a_balancer_hears_what_an_answer_takes_and_when_to_come_again(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        told = house.service.load()
        (model,) = told.models
        assert (model.id, model.resident, told.requests) == ("tiny", False, 0)
        assert model.token_s > 0.0, "the board's figures on paper tell"
        assert (told.power_w, told.retry_after_s) == (None, None)
        await house.service.preload("tiny")
        house.governor_loop.allow(admission="queue", duty=0.5)
        waiting = asyncio.ensure_future(house.said())
        for _ in range(5):
            await asyncio.sleep(0)
        told = house.service.load()
        assert (told.models[0].resident, told.requests, told.queued) == (True, 1, 1)
        assert told.models[0].token_s == pytest.approx(2.0 * model.token_s)
        house.governor_loop.allow()
        await waiting
        house.governor_loop.allow(admission="refuse", retry_after_s=7.0)
        assert house.service.load().retry_after_s == 7.0
        house.governor_loop.allow()
        with house.occupancy.lend("calibrating", 90.0):
            assert house.service.load().retry_after_s == 90.0

    kit.run(run())


def test_a_frozen_sensor_and_a_knob_that_fails_are_told_by_health_board_and_status(
    kit: Any,
) -> None:
    async def run() -> None:
        house = kit.house()
        assert not {"sensors", "knobs"} & (await house.service.health()).keys()
        house.governor_loop.report = GovernorReport(frozen_w=5.31)
        house.knobs = [KnobOutcome("knobs.cpufreq", "failed", said="the clock stays above")]
        reason = "its sensor stays at 5.31 W while the load moves"
        proof, status = await house.service.health(), await house.service.status()
        assert house.service.board().left_out["power"] == proof["sensors"]["power"] == reason
        assert proof["knobs"] == {"knobs.cpufreq": "the clock stays above"}
        told = {problem.message for problem in status["problems"]}
        assert {f"power: {reason}", "knobs.cpufreq: the clock stays above"} <= told

    kit.run(run())


def test_a_smaller_model_stands_in_while_the_governor_asks_for_it(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(SMALLER, ("large", "odd", "tiny"))
        route = lambda model: house.service.router.route(route_request_for(model))  # noqa: E731
        assert (await route("large")).model == "large"
        house.governor_loop.allow(smaller=True, why="the board is hot; smaller models answer")
        serving = await route("large")
        assert (serving.model, serving.asked) == ("tiny", "large")
        assert serving.less == "tiny stands in for large: the board is hot; smaller models answer"
        for model in ("tiny", "odd"):  # nothing stands in for it, or nothing that is there
            serving = await route(model)
            assert (serving.model, serving.asked, serving.less) == (model, None, None)

    kit.run(run())


def test_what_stands_in_has_to_be_good_enough(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(SMALLER, ("large", "tiny"))
        house.governor_loop.allow(smaller=True, why="the board is hot")

        async def answers(**objectives: Any) -> str:
            return (
                await house.service.router.route(route_request_for("large", **objectives))
            ).model

        graded(house, large=0.9, tiny=0.3)
        assert await answers() == "tiny"
        assert await answers(quality=0.8) == "large"
        graded(house, large=0.9, tiny=0.145)
        assert await answers() == "large"
        assert await answers(quality=0.1) == "tiny"
        graded(house, large=0.14, tiny=0.14)  # which is no worse
        assert await answers() == "tiny"
        graded(house, large=0.9, tiny=0.145)
        await house.answer("tiny")
        house.governor_loop.allow(smaller=True, heavy=False, why="the board is hot")
        with pytest.raises(Unavailable, match="large may not be loaded now: the board is") as told:
            await answers()
        assert "tiny may not stand in for it: its figure is 0." in str(told.value)
        assert told.value.retry_after_s

    kit.run(run())


def route_request_for(model: str, **objectives: Any) -> RouteRequest:
    return RouteRequest("1", model, "x" * 400, objectives=Objectives(**objectives))


def test_nothing_stands_in_that_would_have_to_be_loaded_while_nothing_may_be(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(SMALLER, ("large", "tiny"))
        await house.answer("large")
        route = lambda: house.service.router.route(route_request_for("large"))  # noqa: E731
        house.governor_loop.allow(smaller=True, heavy=False)
        assert (await route()).model == "large"
        house.governor_loop.allow(smaller=True)
        await house.answer("tiny")
        house.governor_loop.allow(smaller=True, heavy=False)
        assert (await route()).model == "tiny"

    kit.run(run())


def test_aliases_and_ollamas_tag_are_names_of_models(kit: Any) -> None:
    async def run() -> None:
        aliases = {"gpt": "tiny", "any": "auto", "usual": "default", "llama3:8b": "tiny"}
        house = kit.house(Config(models=Models(aliases=aliases)))
        service = house.service
        assert service.aliases() == aliases
        for name in ("gpt", "gpt:latest", "tiny:latest", "usual", "default:latest", "llama3:8b"):
            assert service.card(name).id == "tiny"
            assert [one.card.id for one in service.identities.of(name, None)] == ["tiny"]
            assert service.able(name, "language").id == "tiny"
        house.fetched["hf.co/someone/Tiny-GGUF:Q4_0"] = "tiny"
        for name in ("hf.co/someone/Tiny-GGUF:Q4_0", "hf.co/someone/Tiny-GGUF:Q4_0:latest"):
            assert service.card(name).id == "tiny"
        with pytest.raises(ModelNotFound, match="someone"):
            service.card("hf.co/someone/Other-GGUF")
        for name in ("any", "gpt"):
            assert (await service.router.route(route_request_for(name))).model == "tiny"
        with pytest.raises(ModelNotFound, match="nosuch"):
            service.card("nosuch:latest")

    kit.run(run())
