"""Recorded outputs of models, read as the models' chat templates show that they write."""
