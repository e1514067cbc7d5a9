"""Ollama's API: its requests become those of generation, and events become its documents."""
