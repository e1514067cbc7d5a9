"""Whether a model suffices for a request: evidence, and what it comes to."""
