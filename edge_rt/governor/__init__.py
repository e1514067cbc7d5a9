"""Deciding what the board can afford now."""
