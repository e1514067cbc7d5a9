"""What is learnt of the board's heat and leakage."""
