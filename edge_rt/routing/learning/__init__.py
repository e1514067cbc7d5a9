"""What answers and marks teach of which way to serve a kind of request."""
