"""Access, limits of requests, and the form of answers and failures."""
