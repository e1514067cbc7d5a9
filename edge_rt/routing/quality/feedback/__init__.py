"""What answers and feedback teach of a model's quality."""
