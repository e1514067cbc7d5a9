"""The front's side of the engine: the connection, and which models are in memory."""
