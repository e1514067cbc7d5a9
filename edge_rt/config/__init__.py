"""The typed configuration of the daemon."""

from edge_rt.config.schema import Config

__all__ = ["Config"]
