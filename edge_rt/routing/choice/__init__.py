"""The choice among candidates: what rules them out, and the one rule that picks of the rest."""
