"""Readers of power: of chips at rails, of counters, of jetson-stats, and the estimate."""
