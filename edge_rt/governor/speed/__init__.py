"""How fast the engine is at each setting, and which setting to take."""
