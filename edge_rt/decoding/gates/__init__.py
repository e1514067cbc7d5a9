"""Who of two models writes the next token of an answer."""
