"""How fast a board is: ceilings, timed models, and rates that follow what answers took."""
