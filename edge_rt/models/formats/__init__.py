"""What files of models say of themselves, trusting nothing in them."""
