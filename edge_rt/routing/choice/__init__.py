"""The choice among candidates: rules, figures, the front and what is taken of it."""
