"""Asking a model, with a daemon or with one of its own."""
