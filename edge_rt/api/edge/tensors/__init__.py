"""Running a model on named tensors."""
