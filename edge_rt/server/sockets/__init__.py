"""Where clients connect, and how much they may."""
