"""When another model goes on with an answer."""
