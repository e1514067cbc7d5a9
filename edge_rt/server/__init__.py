"""The daemon: its sockets, the one place that wires all rooms, and its life."""
