"""Turn logits into text: sampling, drafts, gates, stop strings.

Nothing here knows which backend made the logits. `params` and `text` import no numpy; what needs
it is imported by the engine process alone.
"""
