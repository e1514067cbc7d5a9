"""Getting a model that the catalogue knows into the store."""
