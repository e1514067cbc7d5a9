"""Modes of decoding in words."""

from __future__ import annotations

from edge_rt.cli.document import Json
from edge_rt.cli.figures import fixed, line, number, whole

SINGLE = "single"


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
