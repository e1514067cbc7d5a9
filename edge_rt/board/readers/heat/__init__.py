"""Readers of temperatures, of what slows a board for its heat, and of fans."""
