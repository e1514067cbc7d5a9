"""Gates to compare others with, and their installation beside a daemon of our own."""

from __future__ import annotations

import os
from pathlib import Path

from bootstrap.paths import CHECKOUT

from edge_rt.core.decoding import Gating
from edge_rt.decoding.draws import fork_seed, uniform
from edge_rt.decoding.gate import Gate, GateVerdict, Writer

FIXED = ("never", "always")
NAMES = ("random", *FIXED)

_STREAM = 0x47617465  # apart from the streams that tokens are drawn from


class FixedGate(Gate):
    """One model writes all of the answer, whatever it looks like: `never` and `always`."""

    threshold = 0.0  # nothing is held against it

    def __init__(self, writer: Writer) -> None:
        self.opens = writer

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        return GateVerdict(take=writer == self.opens or writer == "large", then=self.opens)


class RandomGate(Gate):
    """The large model writes each token with the probability 1 - `threshold`.

    Each token after the first is drawn for by itself, whoever wrote the one before: a run of the
    large model is 1 / threshold tokens long on average, much shorter than those of a gate with
    dwell. Nothing is discarded. Draws are a function of the seed and the token's place.
    """

    def __init__(self, threshold: float, seed: int) -> None:
        self.threshold = threshold
        self._small = threshold  # ShareControl moves `threshold`, and not this
        self._seed = fork_seed(seed, _STREAM)
        self._place = 0

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        large = uniform(self._seed, self._place) >= self._small
        return GateVerdict(take=True, then="large" if large else "small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        self._place += 1
        return None


def random(gating: Gating, seed: int) -> Gate:
    """The gate of that name."""
    if gating.share is not None:
        return RandomGate(1.0 - gating.share, seed)  # exact, where others must find theirs
    return RandomGate(0.8 if gating.threshold is None else gating.threshold, seed)


def never(gating: Gating, seed: int) -> Gate:
    """The gate of that name: the small model writes."""
    return FixedGate("small")


def always(gating: Gating, seed: int) -> Gate:
    """The gate of that name: the large model writes."""
    return FixedGate("large")


def install(folder: Path) -> str:
    """Install these gates in `folder`, as pip does a package; return the PYTHONPATH with it."""
    info = folder / "edge_rt_eval-1.dist-info"
    entries = "".join(f"{name} = {__name__}:{name}\n" for name in NAMES)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edge-rt-eval\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[edge_rt.gates]\n{entries}")
    found = str(folder), str(CHECKOUT / "tools"), os.environ.get("PYTHONPATH")
    return os.pathsep.join(filter(None, found))
