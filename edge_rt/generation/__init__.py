"""One request, from its admission to what it took."""
