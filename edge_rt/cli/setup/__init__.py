"""What `edge-rt setup` finds out, changes and takes back."""
