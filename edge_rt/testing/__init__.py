"""Fakes for tests of edge_rt and of packages that add to it; needs no pytest."""
