"""How hard a prompt is, by rules and by prompts that are known."""
