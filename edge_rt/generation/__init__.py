"""One request, from its admission to its usage."""
