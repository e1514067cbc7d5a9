"""What a model writes, taken apart: content, thoughts and calls of tools."""
