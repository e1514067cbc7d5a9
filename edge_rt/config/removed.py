"""Options that earlier versions of edge_rt had, and what replaces each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from edge_rt.config.tree import Key

_CHOICE = "a model is chosen by its published figure and router.quality alone"
_TENSORS = "models of named tensors run in onnxruntime itself, beside the daemon"


class RemovedOption(NamedTuple):
    """What to do instead of setting an option, as a clause of a sentence.

    `types` are those of the values that are gone; values of other types still work.
    """

    instead: str
    types: tuple[type, ...] = (object,)


REMOVED: Mapping[Key, RemovedOption] = {
    ("requests", "infer_s"): RemovedOption(_TENSORS),
    ("requests", "tensor_bytes"): RemovedOption(_TENSORS),
    ("router", "rules"): RemovedOption(_CHOICE),
    ("router", "embedding"): RemovedOption(_CHOICE),
    ("cache", "semantic", "doubt"): RemovedOption(
        "cache.semantic.wrong is the share of wrong answers that is allowed"
    ),
    ("knobs", "fan"): RemovedOption(
        "the board drives its fan; set it as the board's maker says, on a Jetson in "
        "/etc/nvfancontrol.conf"
    ),
    ("telemetry",): RemovedOption(
        "GET /metrics has times and joules of all requests, GET /edge/v1/ledger those of each"
    ),
    ("knobs", "rapl_w"): RemovedOption(
        "budget.power_w holds a cap; a limit in hardware is set by powercap-set or in the BIOS"
    ),
    ("knobs", "affinity"): RemovedOption(
        "CPUAffinity= of the systemd unit, or taskset, binds the daemon and its engine to cores"
    ),
}
"""Every removed option by its place. A configuration may name it, which changes nothing."""


def removed(data: Mapping[str, object]) -> Iterator[tuple[Key, str]]:
    """Yield the place of each removed option that `data` names, with a warning about it."""
    for key, option in REMOVED.items():
        section: object = data
        for name in key[:-1]:
            section = cast("dict[object, object]", section).get(name, {})
            if not isinstance(section, dict):
                break
        else:
            options = cast("dict[object, object]", section)
            if key[-1] in options and isinstance(options[key[-1]], option.types):
                yield key, f"removed, and ignored here: {option.instead}"
