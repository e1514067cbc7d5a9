"""The page of `edge-rt report`."""
