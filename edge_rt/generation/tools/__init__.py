"""Tool calls and thoughts in a model's text."""
