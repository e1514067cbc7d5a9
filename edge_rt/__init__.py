"""edge_rt: language models inside a board's watt and heat budget."""

__version__ = "0.2.0"
