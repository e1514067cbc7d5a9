"""`tools/wheels`: llama-cpp-python built once for every processor of an architecture."""
