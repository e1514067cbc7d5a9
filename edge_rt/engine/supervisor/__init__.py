"""The engine's process as the front keeps it: its start, its health and its end."""
