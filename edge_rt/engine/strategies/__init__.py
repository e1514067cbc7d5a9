"""How an answer is written: by one model, with drafts, or by two in turns."""
