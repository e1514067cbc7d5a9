"""What a request's `model` stands for in the store, and what it leaves open."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.core.routing import Objectives
from edge_rt.energy.calibration.measurement import ModelHost
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.naming import AUTO
from edge_rt.routing.options.kinds import writer, writers
from edge_rt.routing.options.variants import families, weights


def named(model: str, host: ModelHost) -> list[ModelRecord]:
    """The models that a name stands for, before its pin; the one that it is the id of first.

    All with the same weights, where something is pinned all that came from the same model. "auto"
    are all that write, "default" is just that one. Raises ModelNotFound, or RequestError for one
    that writes no text.
    """
    name, pinned, _ = model.partition("@")
    if name == AUTO:
        return writers(host.entries()) or [writer(host.entry("default"))]
    asked = writer(host.entry(name))
    if name == "default" and not pinned:
        return [asked]
    entries = writers(host.entries())
    kin = families(entries) if pinned else [weights(entry) for entry in entries]
    own = next((k for k, entry in zip(kin, entries, strict=True) if entry.id == asked.id), None)
    others = [e for k, e in zip(kin, entries, strict=True) if k == own]
    return [asked, *(e for e in others if e.sha256 != asked.sha256)]  # a copy is no choice


def known_as(model: str, entries: Sequence[ModelRecord]) -> str:
    """The name as the router knows it: of an id, or "auto", with its pin."""
    name, at, pin = model.partition("@")
    return f"{name if name == AUTO else entries[0].id}{at}{pin}"


def leaves_open(model: str, aims: Objectives) -> bool:
    """Whether a request for that leaves it open with how many threads it is computed."""
    return model.partition("@")[0] == AUTO or aims._replace(quality=None) != Objectives()
