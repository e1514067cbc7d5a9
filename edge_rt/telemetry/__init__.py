"""Traces of requests for OpenTelemetry, sent by a process of their own."""
