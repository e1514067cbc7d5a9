"""The command `edge-rt`."""

from __future__ import annotations

import click

from edge_rt import __version__
from edge_rt.cli.exits import HELP
from edge_rt.cli.lazy import LazyGroup

COMMANDS = {
    "serve": "Run the daemon.",
    "run": "Ask a model one thing.",
    "chat": "Talk with a model.",
    "models": "List, fetch, check and remove models.",
    "status": "Show what the daemon is doing.",
    "ps": "List the models in memory.",
    "sensors": "Show what is felt of the board.",
    "top": "Watch the board and the daemon.",
    "ledger": "Show what answers cost.",
    "cache": "Show or forget answers that are kept.",
    "router": "Show or forget what was learnt of ways to serve requests.",
    "plan": "Predict what an answer would take.",
    "trace": "Say why a request was served as it was.",
    "calibrate": "Measure the board, so that predictions hold.",
    "tune": "Choose how two models answer together.",
    "doubt": "Learn what a model's doubt says of its answers.",
    "budget": "Show or change what the board may draw, and how it is kept.",
    "report": "Draw how it was, into a page.",
    "key": "Make a key for clients over TCP.",
    "check-config": "Check a configuration file.",
    "doctor": "Say what this board lacks, and what mends it.",
    "twin": "Simulate a board around a process.",
}
ELSEWHERE = {
    "serve": "edge_rt.cli.local.serve",
    "models": "edge_rt.cli.local.models",
    "ps": "edge_rt.cli.commands.status",
    "tune": "edge_rt.cli.local.tune",
    "doubt": "edge_rt.cli.local.tune",
    "key": "edge_rt.cli.local.key",
    "check-config": "edge_rt.cli.local.serve",
    "doctor": "edge_rt.cli.local.doctor",
    "twin": "edge_rt.cli.local.twin",
}


@click.group(
    cls=LazyGroup,
    package="edge_rt.cli.commands",
    elsewhere=ELSEWHERE,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=HELP,
)
@click.version_option(__version__, prog_name="edge-rt")
def main() -> None:
    """Language models served on this device, over a local socket."""
