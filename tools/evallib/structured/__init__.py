"""What `tools/eval structured` counts: schemas that are enforced, and answers that keep to them."""
