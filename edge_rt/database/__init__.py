"""SQLite files that stay within a size and are whole after a kill, and what replaces unfit ones."""
