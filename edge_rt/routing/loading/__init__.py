"""How a model is loaded, and whether it fits into memory."""
