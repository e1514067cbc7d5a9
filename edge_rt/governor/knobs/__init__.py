"""Settings of the board that others own too: turned with care, and always put back."""
