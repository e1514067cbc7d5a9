"""Readers of a Raspberry Pi's firmware."""
