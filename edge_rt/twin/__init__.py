"""A simulated board: real CPU time becomes watts and degrees, written as the board's own files."""
