"""The engine's process: `python -m edge_rt.engine.worker`."""
