"""The checks; each is a function of the machine that yields findings."""
