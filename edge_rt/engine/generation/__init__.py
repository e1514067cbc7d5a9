"""One answer in the making, and its place on models."""
