"""The table of published measurements, row by row, with the board and the model of each."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib.boards import load_boards

from edge_rt.board_model.roofline import ModelShape
from edge_rt.config.board import Board
from edge_rt.config.boards import SHIPPED
from edge_rt.core.files import read_yaml
from evallib import EvalError

TABLE = "traces/llm_boards.csv"
_HERE = Path(__file__).parent
_ENGINE = re.compile(r"llama\.?(cpp|-cpp)|ollama", re.IGNORECASE)
_FILE = re.compile(r"-(Q\d\w*|f16|bf16)\Z", re.IGNORECASE)  # the end of a name that is a file's
_TOKENS = re.compile(r"(\d+)(?: prompt)?(?: \+ (\d+))?")
_USUAL_TOKENS = (100, 200)  # of a prompt and an answer, where the table does not tell
_HEAD_BITS = 6.5625  # of the output matrix in files of 5 bits and less, which is Q6_K
BITS: Mapping[str, float] = {  # a weight, as llama.cpp tells them of Llama 3.1 8B
    "Q1_0": 1.125,
    "Q2_0": 2.125,
    "Q3_K_M": 4.0,
    "Q3_K_L": 4.3,
    "IQ4_XS": 4.46,
    "Q4_0": 4.67,
    "Q4_K_M": 4.89,
    "OLLAMA DEFAULT (Q4)": 4.89,
    "Q5_K_M": 5.7,
    "Q6_K": 6.56,
    "Q8_0": 8.5,
    "F16": 16.0,
    "BF16": 16.0,
}
_WHOLE = ("Q1_0", "Q2_0")  # their output matrix has as few bits
BOARDS: Mapping[str, str] = {  # how the table's names begin, and the profiles
    "Jetson AGX Orin 64 GB": "jetson-agx-orin-64gb",
    "Jetson AGX Orin 32 GB": "jetson-agx-orin-32gb",
    "Jetson AGX Thor 128 GB": "jetson-thor-t5000",
    "Jetson Orin Nano Super 8 GB": "jetson-orin-nano-super-8gb",
    "Raspberry Pi 5 16 GB": "raspberry-pi-5",
    "Raspberry Pi 5 8 GB": "raspberry-pi-5",
    "Raspberry Pi 500+ 16 GB": "raspberry-pi-5",
    "Raspberry Pi 500 8 GB": "raspberry-pi-5",
    "Raspberry Pi 400 4 GB": "raspberry-pi-4b",
}
_MODES: Mapping[str, str] = {"jetson-orin-nano-super-8gb MAXN": "MAXN_SUPER"}


@dataclass(frozen=True)
class Measured:
    """One row; `watts` are what the source calls so, often a part of the board only."""

    board: str  # as the table names it; boards of one profile stay apart
    profile: Board
    mode: str | None
    model: str
    quantisation: str
    shape: ModelShape
    context: float
    tokens_per_s: float
    watts: float | None
    gpu: bool

    @property
    def step_s(self) -> float:
        """The seconds of a token."""
        return 1.0 / self.tokens_per_s

    @property
    def odd(self) -> bool:
        """Whether it is in BF16 on a processor without instructions for that."""
        return self.quantisation == "BF16" and not self.gpu


def read(data: Path) -> list[Measured]:
    """Return the rows of llama.cpp and Ollama, each with one board and one plain model."""
    boards, shapes = load_boards((SHIPPED, _HERE / "boards")), _shapes()
    path = data / TABLE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise EvalError(f"{path}: {error.strerror or error}") from error
    plain = [row for row in rows if _ENGINE.search(row["engine"]) and "draft" not in row["quant"]]
    return [_row(row, boards, shapes) for row in plain]


def _row(
    row: Mapping[str, str], boards: Mapping[str, Board], shapes: Mapping[str, tuple[str, Any]]
) -> Measured:
    name = next((one for one in BOARDS if row["board"].startswith(one)), None)
    said = row["model"].partition(" (issue")[0]
    model = said if said in shapes else _FILE.sub("", said)
    if name is None or model not in shapes:
        raise EvalError(f"{row['board']}, {row['model']}: no profile, or no shape of it is known")
    first, sizes = shapes[model]
    profile, quantisation = boards[BOARDS[name]], row["quant"].upper()
    gpu = profile.gpu is not None
    return Measured(
        board=name,
        profile=profile,
        mode=_mode(profile, row["mode"]) if gpu else None,
        model=first,
        quantisation=quantisation,
        shape=ModelShape(**sizes, file_bytes=_bytes(sizes, quantisation)),
        context=_context(row["conditions"]),
        tokens_per_s=float(row["tok_s"]),
        watts=float(row["watts"]) if row["watts"] else None,
        gpu=gpu,
    )


def _shapes() -> dict[str, tuple[str, Any]]:
    """Return the sizes of each model by each of its names, with the first of them."""
    models: Sequence[Any] = read_yaml(_HERE / "models.yaml")["models"]
    return {name: (one["names"][0], one["shape"]) for one in models for name in one["names"]}


def _bytes(sizes: Mapping[str, Any], quantisation: str) -> int:
    bits, head = BITS[quantisation], sizes["vocab"] * sizes["embedding"]
    head_bits = bits if quantisation in _WHOLE else max(bits, _HEAD_BITS)
    return round(((sizes["parameters"] - head) * bits + head * head_bits) / 8)


def _mode(profile: Board, said: str) -> str:
    name = "MAXN" if "MAXN" in said or said.startswith("clocks") else said
    return _MODES.get(f"{profile.id} {name}", name)


def _context(conditions: str) -> float:
    """Return the mean context of an answer's tokens."""
    found = _TOKENS.match(conditions)
    prompt, answer = (found[1], found[2] or 0) if found else _USUAL_TOKENS
    return int(prompt) + int(answer) / 2


def boards_of(rows: Sequence[Measured]) -> Iterator[str]:
    """Yield the boards, each once."""
    yield from dict.fromkeys(row.board for row in rows)
