"""What was to be expected of models, in words."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import fixed, line, lines, member


def assessment_lines(assessed: Json) -> Iterator[str]:
    """A line for the prompt, and one for each model that something is known of."""
    features = member(assessed, "features")
    words = (line(features.get(name)) for name in ("kind", "length", "level"))
    yield f"prompt: {', '.join(words)}"
    chances = member(assessed, "chances")
    for model in chances:
        chance = member(chances, model)
        reasons = "; ".join(lines(chance, "reasons") or [])
        yield f"{line(model)} good enough with {fixed(chance.get('p'), 2)}: {reasons}"
