"""The fixtures of the house."""

from __future__ import annotations

from house import kit

__all__ = ["kit"]
