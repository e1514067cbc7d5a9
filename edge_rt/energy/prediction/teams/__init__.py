"""What models take for an answer that they make together."""
