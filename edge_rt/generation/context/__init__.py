"""Conversations that are longer than a model reads: which parts of them it gets."""
