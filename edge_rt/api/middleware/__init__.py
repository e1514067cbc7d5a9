"""Who may come in with what, and how answers and failures go out."""
