"""The full-screen view of `edge-rt top`."""
