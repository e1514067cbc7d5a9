"""What GET /metrics tells."""
