"""One module a benchmark; each has a click command named `command`."""
