"""The reference of the metrics, made from what they show of documents with nothing left out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from msgspec import inspect as types
from msgspec.structs import replace
from prometheus_client import Metric

from docslib.markdown import code, page, table
from edge_rt.api.caching import Caching
from edge_rt.api.families import (
    KINDS,
    board_families,
    cache_families,
    governor_families,
    storage_families,
)
from edge_rt.api.meters import Counts, Meters, Spread
from edge_rt.core.reports.board import BoardReport, ChannelState
from edge_rt.core.reports.governor import GovernorState
from edge_rt.core.reports.planning import StorageReport

_ABOUT = """\
`GET /metrics` returns these in Prometheus' text format. Counters end with `_total`, histograms have
the series `_bucket`, `_sum` and `_count`. What is not known has no series: a missing sensor is
never a 0. The label `model` holds ids of models in the store only."""


def sample(kind: Any) -> Any:
    """Return a value of type `kind`: every optional field is there and no list is empty."""
    return _of(types.type_info(kind))


def _of(kind: types.Type) -> Any:
    match kind:
        case types.Metadata():
            return _of(kind.type)
        case types.StructType():
            return kind.cls(**{field.name: _of(field.type) for field in kind.fields})
        case types.UnionType():
            return _of(next(each for each in kind.types if not isinstance(each, types.NoneType)))
        case types.LiteralType():
            return kind.values[0]
        case types.ListType() | types.VarTupleType():
            return [_of(kind.item_type)]
        case types.DictType():
            return {_of(kind.key_type): _of(kind.value_type)}
        case types.BoolType():
            return True
        case types.IntType() | types.FloatType():
            return 1
        case _:
            return "…"


def metrics() -> str:
    """Return the page: a table of all families, by name."""
    families = sorted(_families(), key=lambda family: family.name)
    return page(
        "Metrics", _ABOUT, table(("Name", "Type", "Labels", "Meaning"), map(_row, families))
    )


def _row(family: Metric) -> tuple[str, str, str, str]:
    labels = sorted({name for each in family.samples for name in each.labels} - {"le"})
    total = "_total" if family.type == "counter" else ""
    shown = ", ".join(map(code, labels))
    return code(family.name + total), family.type, shown, family.documentation


def _families() -> Iterator[Metric]:
    channels = [replace(sample(ChannelState), kind=kind) for kind in KINDS]
    yield from board_families(replace(sample(BoardReport), channels=channels))
    yield from governor_families(sample(GovernorState))
    yield from storage_families(sample(StorageReport))
    yield from _of_requests()
    yield from cache_families(_caching())


def _of_requests() -> Iterator[Metric]:
    """The counters of requests, each with a series so that its labels show."""
    meters = Meters()
    for metric in vars(meters).values():
        if isinstance(metric, Counts):
            metric.add(*("…" for _ in metric.labels))
        elif isinstance(metric, Spread):
            metric.observe("…", 1.0)
    yield from meters.collect()


def _caching() -> Caching:
    compared = SimpleNamespace(compared={"same": 1, "different": 1}, verdicts_j=1.0)
    kept, near = SimpleNamespace(file_bytes=1), SimpleNamespace(hits=1, cache=compared)
    figures = SimpleNamespace(hits={"…": 1}, saved_j={"…": 1}, misses=1, nearby=near, cache=kept)
    return cast(Caching, figures)
