"""What keeps the daemon from answering, or from answering as it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from edge_rt.config.key import dotted
from edge_rt.config.schema import Config
from edge_rt.core.reports.governor import GovernorState
from edge_rt.models.configured import missing_models
from edge_rt.models.store.store import Store


class Problem(msgspec.Struct, frozen=True):
    """One finding: `code` names it for programs, `message` says what to do about it.

    A `fatal` one keeps the daemon from answering: GET /health then has the status 503.
    """

    code: str
    message: str
    fatal: bool = False


def model_problems(config: Config, store: Store) -> Iterator[Problem]:
    """What is wrong with the models that the store and the configuration name."""
    if not store.entries():
        message = "No text model is installed. Run: edge-rt models pull"
        yield Problem("no_model", message, fatal=True)
    for key, reason in missing_models(config, store):
        unusable = key == ("models", "default")
        yield Problem("model_not_found", f"{dotted(key)}: {reason}", fatal=unusable)


def other_problems(
    governor: GovernorState, queued: int, failing: Mapping[str, str], left_out: Mapping[str, str]
) -> Iterator[Problem]:
    """What is wrong with the budget, with requests that wait, the knobs, files and sensors."""
    for warning in governor.warnings:
        yield Problem("budget", warning)
    if queued:
        requests = "1 request waits" if queued == 1 else f"{queued} requests wait"
        yield Problem("waiting", f"{requests}: {governor.why}")
    for knob in governor.knobs:
        if knob.error is not None:
            yield Problem("knob", f"{knob.name}: {knob.error}")
    for reason in failing.values():
        yield Problem("storage", reason)
    for name, reason in left_out.items():
        yield Problem("sensor", f"{name}: {reason}")
