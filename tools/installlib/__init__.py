"""`tools/install`: the daemon as a service of this machine, or of an image that is built."""
