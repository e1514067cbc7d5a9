"""Turning logits into text: sampling, stop strings, character-safe streaming.

Nothing here knows which backend made the logits. Importing the package itself is free; only
`sampler` needs numpy, and only the engine process imports it.
"""
