"""Continuous batching: passes over many requests, within the limits."""
