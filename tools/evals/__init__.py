"""The evaluations of `tools/eval`, a file each."""
