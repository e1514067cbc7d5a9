"""A gate as another package may bring it: the large model replaces each token of high entropy."""

from __future__ import annotations

import math
import os
from pathlib import Path

from edge_rt.core.decoding import Gating
from edge_rt.decoding.distribution import LogitsView
from edge_rt.decoding.gate import Gate, GateVerdict, Look, Writer


class TokenGate(Gate):
    """After R-Stitch (arXiv 2507.17307). The measure is the entropy over that of chance, 0 to 1.

    Above the threshold a token of the small model is discarded and the large one writes in its
    place; that keeps control until its own value is not above the threshold.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def looks(self, writer: Writer) -> Look:
        def look(view: LogitsView) -> float:
            return view.entropy / math.log(max(view.vocab, 2))

        return look

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self.measure = seen
        if seen <= self.threshold:
            return GateVerdict(take=True, then="small")
        return GateVerdict(take=writer == "large", then="large")


def token(gating: Gating, seed: int) -> Gate:
    """The gate of that name."""
    return TokenGate(0.084 if gating.threshold is None else gating.threshold)


def install(folder: Path) -> str:
    """Install the gate in `folder`, as pip does a package; return the PYTHONPATH with it."""
    info = folder / "edge_rt_token-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edge-rt-token\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[edge_rt.gates]\ntoken = token_gate:token\n")
    found = str(folder), str(Path(__file__).parent), os.environ.get("PYTHONPATH")
    return os.pathsep.join(filter(None, found))
