"""Figures and words as people read them, in any width."""
