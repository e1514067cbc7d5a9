"""Wiring the rooms into one process, its life from start to stop."""
