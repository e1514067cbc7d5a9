"""What models have read: sequences, beginnings of prompts, checkpoints."""
