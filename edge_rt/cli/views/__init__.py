"""What the daemon tells, as lines and tables."""
