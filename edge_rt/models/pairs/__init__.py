"""Two models that answer together, and what their doubt says."""
