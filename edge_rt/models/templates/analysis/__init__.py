"""What a chat template tells of a model's tool calls and thoughts."""
