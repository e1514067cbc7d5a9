"""The board: which one it is, what reads it, and what its readings say."""
