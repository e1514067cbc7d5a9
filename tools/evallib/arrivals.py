"""When requests come, as they did at a service that many use."""

from __future__ import annotations

import csv
import random
from datetime import datetime, timezone
from pathlib import Path

from evallib import EvalError

TRACE = "traces/azure_llm_code_2023.csv"
_MICROSECONDS = 26  # characters of a time; the trace has one digit more


def arrivals(data: Path, number: int, per_minute: float, seed: int) -> list[float]:
    """Seconds from the first of so many requests to each of them; raises EvalError.

    They are `number` of the trace's, drawn by chance, as if some of its users had come here; the
    time between is stretched until so many come a minute, in the mean.
    """
    times = _read(data / TRACE)
    if number > len(times):
        raise EvalError(f"{data / TRACE} has {len(times)} arrivals, not {number}: ask for fewer")
    chosen = sorted(random.Random(seed).sample(times, number))
    span_s = chosen[-1] - chosen[0]
    stretch = 60.0 * (number - 1) / per_minute / span_s if span_s > 0.0 else 0.0
    return [stretch * (time_s - chosen[0]) for time_s in chosen]


def _read(path: Path) -> list[float]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [_seconds(row["TIMESTAMP"]) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvalError(f"{path}: {error}; --data names the folder that holds {TRACE}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise EvalError(f"{path}: no trace with a column TIMESTAMP: {error!r}") from error


def _seconds(text: str) -> float:
    told = datetime.fromisoformat(text[:_MICROSECONDS])
    return told.replace(tzinfo=timezone.utc).timestamp()
