"""What `tools/eval structured` reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evallib.document import Document, Row
from evallib.markdown import figure, percent, text

COLUMNS = (
    ("what", text("name")),
    ("schemas", text("schemas")),
    ("compiled, %", percent("compiled")),
    ("named when refused, %", percent("named")),
    ("tests", text("tests")),
    ("mask_wrong", text("mask_wrong")),
    ("asked", text("asked")),
    ("failed", text("failed")),
    ("finished", text("finished")),
    ("valid, %", percent("valid")),
    ("tokens/s", figure("tokens_per_s")),
    ("constrained_speed", figure("constrained_speed")),
    ("of llama-server", figure("peer_constrained_speed")),
    ("vs_llama_server", figure("vs_llama_server")),
    ("mask, ms a token", figure("mask_ms_per_token")),
    ("forced, %", percent("forced")),
    ("calls a token", figure("calls_per_token")),
    ("awrs_calls_ratio", figure("awrs_calls_ratio")),
    ("mean weight", figure("weight", digits=4)),
    ("mean mass", figure("mass", digits=4)),
)
_NOTES = (
    "MaskBench: schemas that were compiled, and tests of these that were judged wrongly. A schema "
    "that is not compiled is refused with the keyword and its place.",
    "Answers: valid, of those that ended before max_tokens, by the schema. constrained_speed: "
    "tokens a second with the schema over those without it, in turn, each a harmonic mean. Forced: "
    "tokens that were taken without a pass of their own.",
    "vs_llama_server: constrained_speed over that of llama.cpp's own server, asked the same in the "
    "same run, by schemas that both answered.",
    "Predicates: adaptive weighted rejection sampling with a predicate in place of a mask. The "
    "ratio is that of the vocabulary to the calls a token. `peaked` is drawn from Zipf's law, "
    "the others are of the model, held to a schema. The mean weight estimates the mean mass of "
    "what may come.",
)


def report(
    about: Mapping[str, object],
    maskbench: Row,
    answers: Sequence[Row],
    predicates: Sequence[Row],
) -> Document:
    """Return all tables; their figures that count are in `about`, too, those of the worse way."""
    told = {**about, **{key: maskbench[key] for key in ("mask_wrong", "compiled")}}
    for key in ("valid", "constrained_speed", "vs_llama_server"):
        told[key] = _least(answers, key)
    told["awrs_calls_ratio"] = _least(predicates, "awrs_calls_ratio")
    tables = {
        "MaskBench": [maskbench],
        "answers": list(answers),
        "predicates": list(predicates),
    }
    return Document("structured", told, tables, _NOTES)


def _least(rows: Sequence[Row], key: str) -> float | None:
    return min((row[key] for row in rows if row[key] is not None), default=None)
