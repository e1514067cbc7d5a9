"""`tools/mutate`: whether the fast tests notice single faults in the source."""
