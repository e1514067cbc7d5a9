"""The HTTP face: OpenAI's dialect, metrics, health."""
