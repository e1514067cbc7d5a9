"""The knobs of clocks."""
