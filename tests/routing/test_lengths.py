"""Tokens are estimated by what answers taught, and what is in KV by what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from edge_rt.core.decoding import Sampling
from edge_rt.core.images import ImageReference
from edge_rt.core.requests import Call, Plan
from edge_rt.routing.lengths import ANSWER, IMAGE_TOKENS, TOKEN_BYTES, Lengths

CONTEXT = 2048


def told(
    lengths: Lengths, kit: Any, prompt: str | list[int], tokens: int, answer: str = "", **end: Any
) -> None:
    """A request for `prompt` that came to its end."""
    call = Call(Plan("tiny"), prompt, False, Sampling())
    with lengths.follow(kit.entry, call) as heard:
        lengths.hear(heard, changed(kit.started(), prompt_tokens=tokens))
        lengths.hear(heard, changed(kit.delta(1), text=answer))
        finished = kit.finished()
        timings = changed(finished.timings, completion_tokens=end.pop("completion", 1))
        lengths.hear(heard, changed(finished, timings=timings, **end))


def running(kit: Any, test: Any) -> None:
    """Run `test` with a house that has the model loaded."""

    async def run() -> None:
        house = kit.house()
        async with house.routing.manager.resident(house.get("tiny")):
            test(house, house.routing.lengths)

    kit.run(run())


def test_bytes_a_token_are_learnt_by_vocabulary(kit: Any) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        size = lambda entry, prompt="é" * 60: lengths.of(entry, prompt, 9, CONTEXT).prompt  # noqa: E731
        assert size(kit.entry) == round(120 / TOKEN_BYTES)
        told(lengths, kit, "é" * 10, 10)
        assert size(kit.entry) == 60
        assert size(replace(kit.entry, sha256="1" * 64)) == round(120 / TOKEN_BYTES)
        onnx = changed(kit.entry.summary, source_sha256=kit.entry.sha256)
        converted = replace(kit.entry, sha256="2" * 64, backend="onnx", summary=onnx)
        assert size(converted) == 60
        assert size(kit.entry, "") == 1

    running(kit, test)


def test_images_count_as_the_last_one_did(kit: Any) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        image = str(ImageReference("0" * 64, 40, 30))
        size = lambda prompt: lengths.of(kit.entry, prompt, 9, CONTEXT).prompt  # noqa: E731
        assert size(f"{image}{'é' * 60}{image}") == round(120 / TOKEN_BYTES + 2 * IMAGE_TOKENS)
        told(lengths, kit, f"{image}{'é' * 60}", round(120 / TOKEN_BYTES) + 70)
        assert size(f"{image}{'é' * 60}") == round(120 / TOKEN_BYTES) + 70
        assert size("é" * 60) == round(120 / TOKEN_BYTES), "of texts it taught nothing"

    running(kit, test)


def test_what_the_loaded_model_has_read_or_said_is_in_kv(kit: Any) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        told(lengths, kit, "a" * 100, 50, answer="b" * 20)
        said = lengths.of(kit.entry, "a" * 100 + "b" * 20 + "c" * 40, 9, CONTEXT)
        assert (said.prompt, said.cached) == (80, 60)
        other = lengths.of(kit.entry, "z" * 100, 9, CONTEXT)
        assert (other.prompt, other.cached) == (50, 0)
        again = lengths.of(kit.entry, "a" * 100, 9, CONTEXT)
        assert (again.prompt, again.cached) == (50, 49)  # the last is always computed

    running(kit, test)


def test_what_another_engine_has_read_is_not(kit: Any) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        told(lengths, kit, "a" * 100, 50)
        house.engine.lost.set()
        assert lengths.of(kit.entry, "a" * 100, 9, CONTEXT).cached == 0

    running(kit, test)


def test_token_ids_need_no_estimate(kit: Any) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        told(lengths, kit, [1, 2, 3], 3)
        found = lengths.of(kit.entry, [1] * 30, 9, CONTEXT)
        assert (found.prompt, found.cached, found.completion) == (30, 0, 9)

    running(kit, test)


def test_answers_are_expected_as_long_as_those_that_came_to_their_end(kit: Any) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        assert lengths.expected(None) == ANSWER
        for tokens in (10, 20, 30):
            told(lengths, kit, "x", 1, completion=tokens)
        told(lengths, kit, "x", 1, completion=900, reason="length")
        assert lengths.expected(None) == 20
        assert lengths.expected(8) == 8
        assert lengths.expected(500) == 20
        assert lengths.expected(500, ignore_eos=True) == 500

    running(kit, test)


@pytest.mark.parametrize(("prompt", "left"), [("x" * 8000, 48), ("x" * 9000, 1)])
def test_an_answer_has_no_more_than_the_room_that_is_left(kit: Any, prompt: str, left: int) -> None:
    def test(house: Any, lengths: Lengths) -> None:
        assert lengths.of(kit.entry, prompt, 500, CONTEXT).completion == left

    running(kit, test)
