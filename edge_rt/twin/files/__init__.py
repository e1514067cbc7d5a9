"""The simulated board's files, as readers find them."""
