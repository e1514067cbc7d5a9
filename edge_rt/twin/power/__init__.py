"""The simulated board's power as its sensors tell it."""
