"""What the answers to a task amount to, way by way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evallib.intervals import Bootstrap, Interval
from evallib.record import Record

Found = Mapping[str, Record]  # by item
_MEASURES = ("seconds", "energy_j")
_COUNTS = ("tokens", "switches", "catch_up_tokens", "accepted_tokens", "rejected_tokens")


def figures(found: Found, boot: Bootstrap) -> dict[str, Any]:
    """Return one way's means over its answers, with intervals; None where not known.

    Answers that failed are counted as `failed`, and nowhere else.
    """
    done = answered(found)
    records = list(done.values())
    per_answer = {name: _json(boot.mean(_known(records, name))) for name in _MEASURES}
    counts = {name: _mean(_known(records, name)) for name in _COUNTS}
    return {
        "n": len(done),
        "failed": len(found) - len(done),
        "unread": sum(record.answer is None for record in records),
        "cut": sum(record.reason == "length" for record in records),
        "accuracy": _json(boot.mean(_correct(records))),
        "large_share": _large_share(records),
        "token_ms": _token_ms(records),
        **per_answer,
        **counts,
        "ipw_pct": _json(_ipw_pct(records, boot)),
        "j_per_correct": _json(_j_per_correct(records, boot)),
        "temp_c": max(_known(records, "temp_c"), default=None),
    }


def against(found: Found, other: Found, boot: Bootstrap) -> dict[str, Any]:
    """One way held against another on the items that both answered.

    Ratios are this one's over the other's; `equal` counts answers that are the same to the byte.
    """
    pairs = paired(found, other)
    ours, theirs = _correct([a for a, _ in pairs]), _correct([b for _, b in pairs])
    return {
        "n": len(pairs),
        "accuracy_difference": _json(boot.difference(ours, theirs)),
        "accuracy_ratio": _json(boot.ratio(ours, theirs)),
        **{f"{name}_ratio": _json(_ratio(pairs, name, boot)) for name in _MEASURES},
        "equal": sum(a.text == b.text and a.reason == b.reason for a, b in pairs),
    }


def lookup_figures(found: Found, large: Found) -> tuple[float, float] | None:
    """The 95th percentile and the mean of a way's seconds over the large model's, by answer."""
    ratios = [a.seconds / b.seconds for a, b in paired(found, large) if b.seconds]
    return (float(np.percentile(ratios, 95)), float(np.mean(ratios))) if ratios else None


def answered(found: Found) -> dict[str, Record]:
    """Return the answers that did not fail."""
    return {item: record for item, record in found.items() if record.failed is None}


def paired(found: Found, other: Found) -> list[tuple[Record, Record]]:
    """Return the answers to what both answered."""
    theirs = answered(other)
    return [(record, theirs[i]) for i, record in answered(found).items() if i in theirs]


def _ratio(pairs: Iterable[tuple[Record, Record]], name: str, boot: Bootstrap) -> Interval | None:
    both = [(getattr(a, name), getattr(b, name)) for a, b in pairs]
    both = [(a, b) for a, b in both if a is not None and b is not None]
    return boot.ratio([a for a, _ in both], [b for _, b in both])


def _ipw_pct(records: Sequence[Record], boot: Bootstrap) -> Interval | None:
    """Percent of right answers over the board's mean watts, by time."""
    known = [(r.correct, r.seconds, r.power_w) for r in records if r.power_w is not None]
    columns = [
        [float(correct) for correct, _, _ in known],
        [seconds for _, seconds, _ in known],
        [seconds * power_w for _, seconds, power_w in known],
    ]
    return boot.interval(lambda m: 100.0 * m[..., 0] * m[..., 1] / m[..., 2], *columns)


def _j_per_correct(records: Sequence[Record], boot: Bootstrap) -> Interval | None:
    """Joules that all answers added, over the number of right ones."""
    known = [record for record in records if record.energy_j is not None]
    return boot.ratio(_known(known, "energy_j"), _correct(known))


def _token_ms(records: Sequence[Record]) -> float | None:
    tokens = sum(record.tokens for record in records)
    return 1e3 * sum(record.seconds for record in records) / tokens if tokens else None


def _large_share(records: Sequence[Record]) -> float | None:
    """Return the large model's share of the tokens whose author is known."""
    large, small = (sum(_known(records, name)) for name in ("large_tokens", "small_tokens"))
    return large / (large + small) if large + small else None


def _correct(records: Iterable[Record]) -> list[float]:
    return [float(record.correct) for record in records]


def _known(records: Iterable[Record], name: str) -> list[float]:
    values = (getattr(record, name) for record in records)
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _json(found: Interval | None) -> dict[str, float | None] | None:
    return None if found is None else found.as_json()
