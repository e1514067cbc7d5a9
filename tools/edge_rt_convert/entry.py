"""The catalogue entry of a converted model."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from edge_rt.models.formats.card import CARD, read_card
from edge_rt.models.naming import derive_id
from edge_rt.models.store.digest import digest
from edge_rt_convert.model import FILES


def hashes(folder: Path) -> dict[str, str]:
    """The sha256 of each of the model's files, the card's included."""
    return {name: digest(folder / name) for name in (*FILES, CARD)}


def entry_yaml(folder: Path, sums: dict[str, str]) -> str:
    """The entry as it stands in a catalogue; where the files can be had is left to be filled in."""
    card = read_card(folder / CARD)
    entry = {
        "id": derive_id(folder, card.name),
        "description": f"{card.name or folder.name}, {card.quantisation} for onnxruntime",
        "publisher": card.publisher or "unknown",
        "licence": card.licence or "unknown",
        "backend": "onnx",
        "files": [
            {"name": name, "bytes": (folder / name).stat().st_size, "sha256": sums[name]}
            for name in FILES
        ],
        "card": msgspec.to_builtins(card),
    }
    return yaml.safe_dump({"models": [entry]}, sort_keys=False, allow_unicode=True, width=100)
