"""What an answer will take, before it is begun, and how far off that was."""
