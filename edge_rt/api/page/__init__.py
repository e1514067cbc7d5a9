"""The page for people, and what keeps it up to date."""
