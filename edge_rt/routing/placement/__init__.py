"""Which models stay in memory, and where."""
