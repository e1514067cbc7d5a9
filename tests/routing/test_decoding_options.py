"""A model offers the modes that its pair has, as far as they are asked for and can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from msgspec.structs import replace as changed

from edge_rt.core.decoding import Gating, Mode
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.routing import DecodingRequest
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.pair import Pair
from edge_rt.routing.decoding_options import DecodingOption, every, offer

TUNED = Pair(large="big", small="tiny", mode="switch:entropy", large_share=0.3)
USUAL = DecodingRequest()
SHARED = Mode("switch", "tiny", gating=Gating(share=0.3))


class Models:
    """Some models of one vocabulary, and pairs of them."""

    def __init__(self, kit: Any, *pairs: Pair, ids: tuple[str, ...] = ("big", "tiny")) -> None:
        self.entries = {id: replace(kit.entry, id=id) for id in ids}
        self._pairs = pairs

    def writer(self, model: str) -> Any:
        if model not in self.entries:
            raise ModelNotFound(f"no model {model}")
        return self.entries[model]

    def pairs(self, large: str) -> list[Pair]:
        return [pair for pair in self._pairs if pair.large == large]

    def unlisted(self, large: str) -> list[Pair]:
        return []

    def offer(self, request: DecodingRequest = USUAL, fits: bool = True) -> DecodingOption:
        return offer(self.writer("big"), request, cast(ModelDirectory, self), lambda *_: fits)

    def mode(self, *args: Any, **fields: Any) -> Mode:
        return self.offer(*args, **fields).mode


def test_without_a_pair_a_model_answers_by_itself_and_may_look_up(kit: Any) -> None:
    models = Models(kit)
    assert models.mode() == Mode()
    assert models.mode(DecodingRequest("single")) == Mode()
    assert models.mode(DecodingRequest("lookup")) == Mode("lookup")
    for mode in ("speculative", "switch"):
        with pytest.raises(RequestError, match=r"`edge.mode`.*`edge.partner`") as caught:
            models.offer(DecodingRequest(mode))
        assert caught.value.param == "edge.mode"


def test_a_pair_without_a_usual_mode_helps_only_where_it_is_asked_for(kit: Any) -> None:
    models = Models(kit, Pair(large="big", small="tiny"))
    assert models.mode() == Mode()
    assert models.mode(DecodingRequest("speculative")) == Mode("speculative", "tiny")
    assert models.mode(DecodingRequest(partner="tiny")) == Mode("speculative", "tiny")


@pytest.mark.parametrize("its", [{"vocab": 601}, {"context_train": 1024}])
def test_a_partner_that_reads_less_or_otherwise_drafts_nothing_unasked(
    kit: Any, its: dict[str, int]
) -> None:
    models = Models(kit, Pair(large="big", small="tiny"))
    summary = changed(kit.entry.summary, **its)
    models.entries["tiny"] = replace(models.entries["tiny"], summary=summary)
    assert models.mode(DecodingRequest(partner="tiny")) == Mode()
    assert models.mode(DecodingRequest("speculative")) == Mode("speculative", "tiny")


@pytest.mark.parametrize("its", [{"vocab": 601}, {"context_train": 1024}])
def test_the_usual_mode_takes_a_partner_of_the_same_vocabulary(
    kit: Any, its: dict[str, int]
) -> None:
    models = Models(kit, TUNED)
    summary = changed(kit.entry.summary, **its)
    models.entries["tiny"] = replace(models.entries["tiny"], summary=summary)
    assert models.mode() == Mode()
    assert models.mode(DecodingRequest("switch")) == SHARED


def test_a_pair_whose_small_model_is_not_there_is_none(kit: Any) -> None:
    models = Models(kit, Pair(large="big", small="gone"), TUNED)
    assert models.mode() == SHARED
    models = Models(kit, Pair(large="big", small="gone"))
    assert models.mode() == Mode()
    with pytest.raises(RequestError, match="edge-rt models pull gone"):
        models.offer(DecodingRequest("speculative"))


def test_the_usual_mode_holds_unless_another_is_asked_for(kit: Any) -> None:
    models = Models(kit, TUNED)
    usual = models.offer()
    assert usual.mode == SHARED
    assert usual.partner == models.entries["tiny"]
    assert models.mode(DecodingRequest("switch")) == SHARED
    assert models.mode(DecodingRequest("single")) == Mode()
    other = models.offer(DecodingRequest("switch:entropy", threshold=0.5))
    assert other.mode == Mode("switch", "tiny", gating=Gating(0.5))


def test_what_is_set_besides_replaces_what_is_usual(kit: Any) -> None:
    models = Models(kit, TUNED)
    asked = models.offer(DecodingRequest(threshold=0.5))
    assert asked.mode.gating == Gating(0.5)
    with pytest.raises(RequestError, match="is for the mode switch"):
        Models(kit, Pair(large="big", small="tiny")).offer(DecodingRequest(large_share=0.2))


def test_the_usual_mode_waits_for_memory(kit: Any) -> None:
    models = Models(kit, TUNED)
    assert models.mode(fits=False) == Mode()
    assert models.mode(DecodingRequest("switch"), fits=False) == SHARED
    asked = models.mode(DecodingRequest(large_share=0.2), fits=False)
    assert asked.gating == Gating(share=0.2)


def test_any_two_models_can_be_asked_for(kit: Any) -> None:
    models = Models(kit, TUNED, ids=("big", "tiny", "mid"))
    assert models.mode(DecodingRequest("speculative", "mid")) == Mode("speculative", "mid")
    assert models.mode(DecodingRequest(partner="mid")) == Mode("speculative", "mid")
    for partner, words in (("gone", "no model gone"), ("big", "is the model itself")):
        with pytest.raises(RequestError, match=words) as caught:
            models.offer(DecodingRequest("speculative", partner))
        assert caught.value.param == "edge.partner"


@pytest.mark.parametrize("mode", ["speculative", "switch", None])
def test_a_partner_is_no_larger_than_the_model(kit: Any, mode: str | None) -> None:
    models = Models(kit, TUNED, ids=("big", "tiny", "mid"))
    models.entries["mid"] = replace(models.entries["mid"], size=3_000_000_000)
    with pytest.raises(RequestError, match=r"mid is larger than big, 3000 MB.*ask mid") as caught:
        models.offer(DecodingRequest(mode, "mid"))
    assert caught.value.param == "edge.partner"
    models.entries["big"] = replace(models.entries["big"], size=3_000_000_001)
    assert models.offer(DecodingRequest(mode, "mid")).mode.partner == "mid"


def test_a_plan_shows_all(kit: Any) -> None:
    models = Models(kit, TUNED)
    source = cast(ModelDirectory, models)
    options = every(models.writer("big"), source)
    labels = ["single", "lookup", "speculative", "switch:entropy"]
    assert [one.mode.label for one in options] == labels
    assert [one.mode.label for one in every(models.writer("tiny"), source)] == ["single"]
