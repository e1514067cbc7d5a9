"""What runs in the guest, as its first and only process."""
