"""Answers that are kept, for the same question and for one that means the same."""
