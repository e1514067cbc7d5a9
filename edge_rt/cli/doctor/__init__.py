"""What `edge-rt doctor` looks at: the machine, and what the checks find."""
