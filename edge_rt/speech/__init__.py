"""Ears and voice: a process that turns speech into text and text into speech."""
