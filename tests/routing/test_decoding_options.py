"""A model offers the modes that its pair has, as far as they are asked for and can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from msgspec.structs import replace as changed

from edge_rt.core.decoding import Gating, Mode
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.limits import Limits
from edge_rt.core.routing import DecodingRequest
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.pair import Pair
from edge_rt.routing.decoding_options import LESS_SHARE, DecodingOption, every, offer

CALM = Limits(2)
HOT = Limits(2, smaller=True, why="the board is hot")
TUNED = Pair(large="big", small="tiny", mode="switch:step", large_share=0.3, first=4)
USUAL = DecodingRequest()
STEP = Mode("switch", "tiny", gating=Gating("step", share=0.3, first=4))


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

    def offer(
        self, request: DecodingRequest = USUAL, limits: Limits = CALM, fits: bool = True
    ) -> DecodingOption:
        models = cast(ModelDirectory, self)
        return offer(self.writer("big"), request, models, limits, lambda *_: fits)

    def mode(self, *args: Any, **fields: Any) -> Mode:
        return self.offer(*args, **fields).mode


def test_without_a_pair_a_model_answers_by_itself_and_may_look_up(kit: Any) -> None:
    models = Models(kit)
    assert models.mode() == Mode()
    assert models.mode(DecodingRequest("single")) == Mode()
    assert models.mode(DecodingRequest("lookup")) == Mode("lookup")
    for mode in ("speculative", "switch", "switch:ead"):
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


def test_a_pair_whose_small_model_is_not_there_is_none(kit: Any) -> None:
    models = Models(kit, Pair(large="big", small="gone"), TUNED)
    assert models.mode() == STEP
    models = Models(kit, Pair(large="big", small="gone"))
    assert models.mode() == Mode()
    with pytest.raises(RequestError, match="edge-rt models pull gone"):
        models.offer(DecodingRequest("speculative"))


def test_the_usual_mode_holds_unless_another_is_asked_for(kit: Any) -> None:
    models = Models(kit, TUNED)
    usual = models.offer()
    assert usual.mode == STEP
    assert usual.partner == models.entries["tiny"]
    assert models.mode(DecodingRequest("switch")) == STEP
    assert models.mode(DecodingRequest("single")) == Mode()
    other = models.offer(DecodingRequest("switch:ead", threshold=0.5))
    assert other.mode == Mode("switch", "tiny", gating=Gating("ead", 0.5))


def test_what_is_set_besides_replaces_what_is_usual(kit: Any) -> None:
    models = Models(kit, TUNED)
    asked = models.offer(DecodingRequest(threshold=0.5))
    assert asked.mode.gating == Gating("step", 0.5, None, 4)
    asked = models.offer(DecodingRequest(first=0))
    assert asked.mode.gating == Gating("step", None, 0.3, 0)
    with pytest.raises(RequestError, match="is for modes that switch"):
        Models(kit, Pair(large="big", small="tiny")).offer(DecodingRequest(large_share=0.2))


def test_the_usual_mode_waits_for_memory(kit: Any) -> None:
    models = Models(kit, TUNED)
    assert models.mode(fits=False) == Mode()
    assert models.mode(DecodingRequest("switch"), fits=False) == STEP
    asked = models.mode(DecodingRequest(large_share=0.2), fits=False)
    assert asked.gating == Gating("step", None, 0.2, 4)


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


def test_the_governor_asks_for_less_of_the_large_model(kit: Any) -> None:
    models = Models(kit, TUNED)
    found = models.offer(limits=HOT)
    assert found.mode.name == "switch"
    assert found.less == "big writes 20% of the tokens: the board is hot"
    assert found.mode.gating == Gating("step", None, LESS_SHARE, 4)
    less = models.offer(DecodingRequest(large_share=0.1), limits=HOT)
    assert (less.less, less.mode.gating) == (None, Gating("step", None, 0.1, 4))
    for mode in ("speculative", "single"):
        assert models.offer(DecodingRequest(mode), limits=HOT).less is None


def test_a_plan_shows_all(kit: Any) -> None:
    models = Models(kit, TUNED)
    source = cast(ModelDirectory, models)
    options = every(models.writer("big"), source, CALM)
    labels = ["single", "lookup", "speculative", "switch:step"]
    assert [one.mode.label for one in options] == labels
    assert [one.mode.label for one in every(models.writer("tiny"), source, CALM)] == ["single"]
