"""What the daemon tells of itself, as clients see it."""
