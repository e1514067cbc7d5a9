"""What the benchmarks in `tools/benchmarks` share."""

from __future__ import annotations

import click


class BenchError(click.ClickException):
    """A benchmark cannot go on; the message says why and what to do about it."""
