"""What the evaluations in `tools/evals` share."""

from __future__ import annotations

from benchlib import BenchError


class EvalError(BenchError):
    """An evaluation cannot go on; the message says why and what to do about it."""
