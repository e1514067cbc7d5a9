"""How the governor decides: from observations to limits."""
