"""Which models there are, where they lie, and proof that they are what they claim to be."""
