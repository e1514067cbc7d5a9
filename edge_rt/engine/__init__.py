"""The engine: a child process that owns every model, and the front's side of talking to it."""
