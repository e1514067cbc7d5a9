"""Turning logits into text: sampling, stop strings, character-safe streaming.

Nothing here knows which backend made the logits. Importing the package, `params`, `text` or
`stops` is free; `sampler` and the files it is made of need numpy, and only the engine process
imports them.
"""
