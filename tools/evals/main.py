"""The command `tools/eval`."""

from __future__ import annotations

import click

from edge_rt.cli.main import LazyGroup

COMMANDS = {
    "run": "Let models answer public test questions, and count what is right.",
    "calls": "Count which recorded tool calls are read wrongly, by real chat templates.",
    "cache": "Count which questions the semantic cache takes for the same, and which wrongly.",
    "route": "Compare ways to choose between a small and a large model, by recorded outcomes.",
    "budget": "Compare ways to answer within a budget of joules.",
    "switch": "Compare the ways in which two models can answer together.",
    "samples": "Compare checked samples of a small model with a large one.",
    "suggest": "Hold estimates of speed and joules against published measurements of boards.",
    "structured": "Hold JSON Schemas against texts that they allow or forbid.",
}


@click.group(
    cls=LazyGroup,
    package="evals",
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Measure how good answers are, and what they cost.

    The questions are not part of the project: --data names the folder that holds them.
    """
