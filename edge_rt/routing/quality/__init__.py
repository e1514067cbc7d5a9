"""How likely a model is to give a good answer."""
