"""The model store: a directory of verified model files."""
