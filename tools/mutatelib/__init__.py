"""What `tools/mutate` is made of."""

from __future__ import annotations


class MutateError(Exception):
    """The tests cannot be tried; the message says why and what to do about it."""
