"""Joules: which request took them, and the ledger that keeps them."""
