"""How much to draft, and how much of a draft is kept."""
