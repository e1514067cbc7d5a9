"""How the governor decides: from observations, and how fast each setting is, to limits."""
