"""Processes and their limits, and the databases and folders that outlive them."""
