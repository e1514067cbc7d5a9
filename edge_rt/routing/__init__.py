"""Which model, on which backend and with what settings, serves a request, and why."""
