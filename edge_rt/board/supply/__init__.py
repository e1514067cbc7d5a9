"""The rails whose sum is the board's power."""
