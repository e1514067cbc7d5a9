"""Which temperatures are the chip's."""
