"""What the board draws at each setting, learnt from readings."""
