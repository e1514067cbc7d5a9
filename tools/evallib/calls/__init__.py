"""Recorded outputs of models, read as chat templates of their families show."""
