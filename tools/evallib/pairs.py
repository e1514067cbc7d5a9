"""Pairs of texts that one answer may do for, or must not."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evallib import EvalError

MRPC = "paraphrase/mrpc_test.tsv"
BANKING = "intent/banking77_train.csv"
_JOINED = (  # what was cut into tokens, as people write it
    (re.compile(r"' '|''|``"), '"'),
    (re.compile(r"\s+([,.;?!%)\]]|n't\b)"), r"\1"),
    (re.compile(r"([$£€(\[])\s+"), r"\1"),
    (re.compile(r"(\w) '(\w)"), r"\1'\2"),
    (re.compile(r"(\w) \u2019 (s|t|d|m|re|ve|ll)\b"), r"\1'\2"),
    (re.compile(r"(\d) ([:/]) (\d)"), r"\1\2\3"),
    (re.compile(r'"\s*([^"]*?)\s*"'), r'"\1"'),
)


@dataclass(frozen=True)
class Pair:
    """Two texts; `same` is whether one answer does for both. `kind` is what they are counted as."""

    kind: str
    one: str
    other: str
    same: bool


def mrpc(data: Path) -> list[Pair]:
    """The pairs of sentences that people held for paraphrases or not, in the file's order.

    Every second pair, from the first one on, is of the half "tuning", the others "held out".
    Raises EvalError.
    """
    pairs: list[Pair] = []
    for number, row in enumerate(rows(data / MRPC, "\t")[1:]):
        if len(row) != 5 or row[0] not in ("0", "1"):
            raise EvalError(f"{data / MRPC}, pair {number + 1}: not as MRPC has it")
        half = "held out" if number % 2 else "tuning"
        # In the stored file the commas of a sentence are tabs.
        one, other = (joined(text.replace("\t", ",")) for text in row[3:])
        pairs.append(Pair(half, one, other, row[0] == "1"))
    return pairs


def joined(text: str) -> str:
    """A sentence that was cut into tokens, as it was before."""
    for cut, whole in _JOINED:
        text = cut.sub(whole, text)
    return text.strip()


def banking(data: Path) -> list[tuple[str, str]]:
    """Questions to a bank, and what each is about; raises EvalError."""
    return [(text, about) for text, about in rows(data / BANKING, ",")[1:]]


def rows(path: Path, delimiter: str) -> Sequence[Sequence[str]]:
    """The rows of a table, its head with them; raises EvalError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file, delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = f"{error}; --data names the folder that holds paraphrase, intent and prompts"
        raise EvalError(f"{path}: {why}") from error
