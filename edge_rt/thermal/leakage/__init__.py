"""Leakage: the power that a chip draws for being warm, learnt from idle power."""
