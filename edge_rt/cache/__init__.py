"""Answers that were given before, for whoever asks the same again."""
