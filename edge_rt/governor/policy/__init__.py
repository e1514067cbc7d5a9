"""The governor's decisions: limits, from observations and from the speed of each setting."""
