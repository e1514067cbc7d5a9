"""A simulated board: real time of CPU and passes becomes watts and degrees in the board's files."""
