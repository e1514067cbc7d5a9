"""`tools/package`: edge_rt as a package of Debian, for this processor or another."""
