"""Measuring a board and its models, and what is kept of that."""
