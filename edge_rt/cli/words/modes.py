"""Modes of decoding in words."""

from __future__ import annotations

from typing import Protocol

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import fixed, line, number, whole

SINGLE = "single"


class Setting(Protocol):
    """How the gate of a mode is set; see Pair."""

    @property
    def large_share(self) -> float | None: ...

    @property
    def threshold(self) -> float | None: ...

    @property
    def first(self) -> int: ...


def as_set(mode: str, setting: Setting) -> str:
    """A mode and what is set of it: "switch:ead, threshold 0.5"."""
    parts = [mode]
    if setting.large_share is not None:
        parts.append(f"{100 * setting.large_share:.0f} % of the tokens by the large model")
    if setting.threshold is not None:
        parts.append(f"threshold {setting.threshold:g}")
    if setting.first:
        parts.append(f"the first {setting.first} by the large model")
    return ", ".join(parts)


def in_mode(model: object, mode: object, partner: object) -> str:
    """A model and how it decodes, where that is not by itself: "big, speculative with tiny"."""
    words = line(model)
    if mode not in (None, SINGLE):
        words += f", {line(mode)}"
    return words if partner is None else f"{words} with {line(partner)}"


def making(told: Json) -> str:
    """Who wrote an answer, or how much of its drafts was kept; nothing of a model by itself."""
    mode, kept, lost = told.get("mode"), told.get("accepted_tokens"), told.get("rejected_tokens")
    small, large = number(told.get("small_tokens")), number(told.get("large_tokens"))
    if mode in (None, SINGLE):
        return ""
    if small is None or large is None:
        return line(mode)
    if line(mode).startswith("switch"):
        share = 100 * large / max(1, small + large)
        return f"{line(mode)}: {fixed(share, 0)} % by the large model"
    drafts = (number(kept) or 0) + (number(lost) or 0)
    return f"{line(mode)}: {whole(kept)} of {whole(drafts)} drafted tokens kept"
