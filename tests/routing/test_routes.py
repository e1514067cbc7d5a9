"""A name stands for some models, one of which answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from graded import graded
from msgspec.structs import replace as changed

from edge_rt.config.schema import Config, Models, Router
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import ModelNotFound, RequestError, Unavailable
from edge_rt.core.routing import Objectives, Prediction, RouteRequest

GGUF, ONNX, OTHER = "tiny", "tiny-onnx", "big"


def house_of(kit: Any, config: Config | None = None, **foretold: tuple[float, float]) -> Any:
    """A house with a model for both libraries, another one, and what answers of each take.

    `foretold` are seconds and joules that stand in for those of the rooflines.
    """
    house = kit.house(config)
    onnx = changed(kit.entry.summary, quantisation="int4", source_sha256="0" * 64)
    entries = [
        replace(kit.entry, id=OTHER, sha256="2" * 64, size=10 * kit.entry.size, created=9),
        kit.entry,
        replace(kit.entry, id=ONNX, sha256="1" * 64, backend="onnx", summary=onnx, created=8),
    ]
    entries[1] = replace(entries[1], created=7)
    house.entries = lambda: entries
    figures = {id.replace("_", "-"): both for id, both in foretold.items()}
    forecaster = house.routing.forecaster

    def predict(entry: Any, threads: int, *tokens: Any, **how: Any) -> Prediction:
        seconds, energy_j = figures.get(entry.id, (1.0, 2.0))
        house.predicted.append((entry.id, threads, tokens))
        return Prediction(seconds, 0.5, 0.5, energy_j, None, None, 0.05, 0.05, "calibrated")

    house.predicted = []
    forecaster.predict = predict
    house.routing.variants._load_s = lambda entry: 0.1
    return house


def route_request(model: str, prompt: Any = "x" * 400, **changes: Any) -> RouteRequest:
    return RouteRequest("cmpl-1", model, prompt, **changes)


async def chosen(house: Any, model: str, **changes: Any) -> str:
    return (await house.service.router.route(route_request(model, **changes))).model


def running(test: Callable[[Any], Awaitable[None]]) -> Callable[[Any], None]:
    def run(kit: Any) -> None:
        kit.run(test(kit))

    return run


@running
async def test_an_id_is_any_of_the_same_weights_and_auto_any_model(kit: Any) -> None:
    house = house_of(kit, tiny=(1, 5), tiny_onnx=(2, 4), big=(3, 1))
    assert await chosen(house, GGUF) == await chosen(house, ONNX) == ONNX
    assert await chosen(house, OTHER) == OTHER
    assert await chosen(house, "auto") == OTHER
    assert await chosen(house, GGUF, objectives=Objectives("latency")) == GGUF
    assert await chosen(house, "default") == GGUF
    served = await house.service.router.route(route_request("auto"))
    assert (served.asked, served.less, served.trace) == (None, None, None)
    assert "this is the largest of 2 that can answer" in served.why


@running
async def test_what_is_pinned_answers_whatever_it_takes(kit: Any) -> None:
    house = house_of(kit, tiny=(1, 5), tiny_onnx=(2, 4))
    for pin in ("llama.cpp-q4_1", "llama.cpp", "LLAMA.CPP-Q4_1"):
        assert await chosen(house, f"{GGUF}@{pin}") == GGUF
        assert await chosen(house, f"{ONNX}@{pin}") == GGUF
    assert await chosen(house, f"{GGUF}@onnx-int4") == ONNX
    assert await chosen(house, "auto@onnx") == ONNX
    assert await chosen(house, "default@onnx") == ONNX
    house.governor_loop.allow(smaller=True)
    assert await chosen(house, f"{GGUF}@llama.cpp") == GGUF


@running
async def test_errors_tell_what_there_is(kit: Any) -> None:
    house = house_of(kit)
    with pytest.raises(RequestError, match=r"no variant 'onnx-int8'; .*llama.cpp-q4_1, onnx-int4"):
        await house.service.router.route(route_request(f"{GGUF}@onnx-int8"))
    with pytest.raises(ModelNotFound, match="nobody"):
        await house.service.router.route(route_request("nobody@onnx"))


@running
async def test_where_nothing_is_to_choose_nothing_is_looked_at(kit: Any) -> None:
    house = house_of(kit)
    for model in (OTHER, "default", f"{GGUF}@onnx"):
        served = await house.service.router.route(route_request(model))
        assert (served.why, served.trace) == ("nothing else was asked for", None)
        assert served.prompt == "x" * 400
    assert house.counted == house.predicted == []
    with pytest.raises(RequestError, match="no trace"):
        house.service.trace("cmpl-1")


@running
async def test_a_model_quantised_anew_is_another_one_unless_it_is_pinned(kit: Any) -> None:
    house = house_of(kit, tiny=(1, 9), tiny_q8=(1, 1))
    summary = changed(kit.entry.summary, quantisation="Q8_0", source_sha256="0" * 64)
    anew = replace(kit.entry, id="tiny-q8", sha256="3" * 64, summary=summary)
    entries = [*house.entries(), anew]
    house.entries = lambda: entries
    assert await chosen(house, GGUF) != "tiny-q8"
    assert await chosen(house, "tiny-q8") == "tiny-q8"
    assert await chosen(house, f"{GGUF}@llama.cpp-q8_0") == "tiny-q8"
    assert await chosen(house, f"{GGUF}@llama.cpp-q4_1") == GGUF


@running
async def test_a_trace_is_kept_and_given_to_who_asks(kit: Any) -> None:
    house = house_of(kit, tiny=(1, 5), tiny_onnx=(2, 4))
    await house.service.router.route(route_request(GGUF))
    assert house.service.trace("cmpl-1").chosen.setting.variant == ONNX
    served = await house.service.router.route(route_request(f"{GGUF}@llama.cpp", trace=True))
    rows = {c.candidate.setting.variant: c.rule or c.state for c in served.trace.considered}
    assert rows == {GGUF: "chosen"}


@running
async def test_threads_are_the_governors(kit: Any) -> None:
    house = house_of(kit)
    served = await house.service.router.route(route_request("auto", trace=True))
    assert {c.candidate.setting.threads for c in served.trace.considered} == {2}


@running
async def test_tokens_are_estimated_and_the_estimate_is_learnt(kit: Any) -> None:
    house = house_of(kit)
    await chosen(house, GGUF, max_tokens=20)
    assert {tokens[:3] for _, _, tokens in house.predicted if tokens[:3] != (256, 0, 128)} == {
        (100, 0, 20)
    }
    assert house.counted == []
    house.scripts = [[replace_tokens(kit, 200), kit.delta(1), kit.finished()]]
    async for _ in house.service.generation.generate(call(house, "x" * 400)):
        pass
    house.predicted.clear()
    await chosen(house, GGUF, prompt="x" * 400 + "1 yy", max_tokens=20)
    prompts = {id: tokens[:2] for id, _, tokens in house.predicted if tokens[:3] != (256, 0, 128)}
    # Two letters a token with this vocabulary; what the loaded one has read is in KV.
    assert prompts[ONNX] == (202, 0)
    assert prompts[GGUF] == (202, 201)


def replace_tokens(kit: Any, prompt: int) -> Any:
    return changed(kit.started(), prompt_tokens=prompt)


def call(house: Any, prompt: str) -> Any:
    from edge_rt.core.decoding import Sampling
    from edge_rt.core.requests import Call, Plan

    return Call(Plan("tiny"), prompt, False, Sampling(), 9)


@running
async def test_what_may_not_fit_is_counted(kit: Any) -> None:
    house = house_of(kit)
    with pytest.raises(RequestError, match="context") as raised:
        await house.service.router.route(route_request(GGUF, prompt="x" * 5000))
    assert (raised.value.param, raised.value.code) == ("prompt", "context_length_exceeded")
    assert {counted[1] for counted in house.counted} == {"llama.cpp", "onnx"}


@running
async def test_what_only_some_templates_take_is_for_them(kit: Any) -> None:
    house = house_of(kit, tiny=(1, 1))
    bare = changed(kit.entry.summary, chat_template=None)
    entries = [replace(e, summary=bare) if e.id == GGUF else e for e in house.entries()]
    house.entries = lambda: entries
    chat = ChatPrompt([{"role": "user", "content": "hey"}])
    served = await house.service.router.route(route_request("auto", chat, trace=True))
    assert served.model != GGUF
    assert served.prompt == "hey|"
    (row,) = [c for c in served.trace.considered if c.candidate.setting.variant == GGUF]
    assert row.rule == "tokens"
    assert "no chat template" in row.reason
    bare_ones = [replace(e, summary=bare, sha256=f"a{e.sha256[1:]}") for e in entries]
    house.entries = lambda: bare_ones
    with pytest.raises(RequestError, match="no chat template"):
        await house.service.router.route(route_request("auto", chat))


@running
async def test_token_ids_are_for_a_model_that_is_named(kit: Any) -> None:
    house = house_of(kit)
    assert await chosen(house, GGUF, prompt=[1, 2, 3]) in (GGUF, ONNX)
    with pytest.raises(RequestError, match="tokens are those of one model"):
        await house.service.router.route(route_request("auto", prompt=[1, 2, 3]))


@running
async def test_a_board_that_takes_nothing_says_so(kit: Any) -> None:
    house = house_of(kit)
    house.governor_loop.allow(admission="refuse", guard="evacuate", why="it is hot")
    with pytest.raises(Unavailable, match="it is hot"):
        await house.service.router.route(route_request("auto"))


@running
async def test_what_is_loaded_answers_where_nothing_may_be_loaded(kit: Any) -> None:
    house = house_of(kit, big=(1, 1), tiny=(9, 9), tiny_onnx=(5, 5))
    await house.answer("tiny")
    house.governor_loop.allow(heavy=False, guard="hold", why="it is warm")
    assert await chosen(house, "auto") == GGUF


@running
async def test_limits_are_soft(kit: Any) -> None:
    house = house_of(kit, big=(9, 1), tiny=(4, 9), tiny_onnx=(5, 5))
    objectives = Objectives("energy", 0.5, None)
    served = await house.service.router.route(
        route_request("auto", objectives=objectives, trace=True)
    )
    assert (served.model, served.trace.within) == (GGUF, False)


@running
async def test_a_stand_in_answers_for_all_variants(kit: Any) -> None:
    house = house_of(kit, Config(models=Models(smaller={GGUF: OTHER})))
    house.governor_loop.allow(smaller=True)
    served = await house.service.router.route(route_request(GGUF))
    assert (served.model, served.asked) == (OTHER, GGUF)


@running
async def test_the_smallest_model_that_reaches_the_floor_answers(kit: Any) -> None:
    house = house_of(kit, tiny=(1, 5), tiny_onnx=(2, 4), big=(1, 1))
    graded(house, tiny=0.6, tiny_onnx=0.6, big=0.9)
    assert await chosen(house, "auto") == ONNX
    assert await chosen(house, "auto", objectives=Objectives("latency", quality=0.0)) == GGUF
    for quality in (0.8, 1.0):
        assert await chosen(house, "auto", objectives=Objectives(quality=quality)) == OTHER
    assert await chosen(house, "auto", objectives=Objectives("quality")) == OTHER
    trace = (await house.service.router.route(route_request("auto", trace=True))).trace
    assert trace.quality == 0.5
    qualities = {c.candidate.setting.variant: c.candidate.quality for c in trace.considered}
    assert qualities == {GGUF: 0.6, ONNX: 0.6, OTHER: 0.9}


@running
async def test_the_usual_floor_gives_way_while_smaller_models_are_asked_for(kit: Any) -> None:
    house = house_of(kit, big=(9, 99))
    graded(house, tiny=0.3, tiny_onnx=0.3, big=0.9)

    async def routed(**objectives: Any) -> tuple[str, str | None]:
        plan = await house.service.router.route(
            route_request("auto", objectives=Objectives(**objectives))
        )
        return plan.model, plan.less

    assert await routed() == (OTHER, None)
    house.governor_loop.allow(smaller=True, why="the board is hot")
    model, less = await routed()
    assert model in (GGUF, ONNX)
    assert less == f"{model} answers although others do that better: the board is hot"
    assert await routed(quality=0.5) == (OTHER, None)


@running
async def test_the_configuration_says_what_is_good_enough(kit: Any) -> None:
    for quality, model in (("low", GGUF), (0.8, OTHER)):
        house = house_of(kit, Config(router=Router(quality=quality)))
        graded(house, tiny=0.3, big=0.9)
        assert await chosen(house, "auto@llama.cpp") == model


@running
async def test_a_stand_in_has_to_reach_the_floor_or_the_model_that_is_asked_for(kit: Any) -> None:
    house = house_of(kit, Config(models=Models(smaller={OTHER: GGUF})))
    house.governor_loop.allow(smaller=True)
    for figures, model in (
        ({"big": 0.9, "tiny": 0.1}, OTHER),
        ({"big": 0.9, "tiny": 0.3}, GGUF),
        ({"big": 0.1, "tiny": 0.1}, GGUF),
        ({"big": 0.9}, GGUF),
    ):
        graded(house, **figures)
        assert await chosen(house, OTHER) == model
    graded(house, big=0.9, tiny=0.3)
    assert await chosen(house, OTHER, objectives=Objectives(quality=0.5)) == OTHER
