"""What `edge-rt doctor` looks at; each check is a function of the machine that yields findings."""
