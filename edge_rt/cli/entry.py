"""Where the program `edge-rt` begins."""

from __future__ import annotations

from edge_rt.cli import leave_on_interrupt


def main() -> None:
    """Run the command that the arguments name."""
    leave_on_interrupt()
    from edge_rt.cli.main import main as command  # takes long enough to be interrupted

    command(prog_name="edge-rt")


if __name__ == "__main__":
    main()
