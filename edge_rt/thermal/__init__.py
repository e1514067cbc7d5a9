"""How a board warms: leakage, the heat path to the air, and what the temperature will be."""
