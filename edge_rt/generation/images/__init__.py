"""Images of requests: from what clients send to pixels, decoded by a process of their own."""
