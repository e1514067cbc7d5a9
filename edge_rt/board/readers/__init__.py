"""Readers of what the board tells about itself; each takes its root path."""
