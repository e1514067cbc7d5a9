"""One request for generation over HTTP: its cache, its run and its usage."""
