"""`tools/run`: one answer from a real model, starting from nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.ensure import ensure
from bootstrap.signals import ending_cleanly, run_child
from bootstrap.twin import sensors_options
from bootstrap.venv import Venv

_USAGE = (
    'tools/run [--config FILE] [--board ID] [--wheels DIR] "PROMPT" [OPTION of edge-rt run ...]'
)
_ABOUT = """\
Answer PROMPT with a small language model on this machine. The first run sets everything up: it
makes .venv, builds llama.cpp and, where the store has no model yet, fetches one that fits: 491 MB
with 2 GB of memory and more, else 98 MB. Later runs start in seconds. --model ID takes another.

The answer's energy is what this machine's sensors tell. Where they tell no power, a Raspberry Pi 5
is simulated around the daemon, and the energy is said to be modelled.

Everything that is not listed here goes to `edge-rt run`, for example --max-tokens 64. What
follows -- goes there untouched: `tools/run -- --help` lists its options.

Models are kept in the store that `edge-rt models list` shows, builds in $EDGE_RT_CACHE, else in
~/.cache/edge-rt; so is .venv where this checkout cannot be written, and EDGE_RT_VENV names another
place for it. Those of pip's settings count that say where packages come from. CMAKE_ARGS is passed
to the build of llama.cpp, for example CMAKE_ARGS=-DGGML_CUDA=on on a Jetson. Without it, --wheels
takes llama.cpp from a folder of tools/wheels, and compiles only where that has none for this
machine.
"""


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    config: Path | None
    board: str | None  # to simulate
    wheels: Path | None
    passed: list[str]  # to `edge-rt run`


def parse(argv: Sequence[str]) -> Request:
    """Split `argv` into our options and those of `edge-rt run`; exits on --help."""
    words, verbatim = list(argv), list[str]()
    if "--" in words:
        border = words.index("--")
        words, verbatim = words[:border], words[border + 1 :]
    parser = argparse.ArgumentParser(
        prog="tools/run",
        usage=_USAGE,
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="config.yaml for the daemon")
    parser.add_argument("--board", metavar="ID", help="simulate this board, see `edge-rt twin`")
    parser.add_argument("--wheels", metavar="DIR", type=Path, help="with a built llama.cpp")
    ours, others = parser.parse_known_args(words)
    if not others and not verbatim and sys.stdin.isatty():
        parser.print_help(sys.stderr)
        parser.exit(2)
    return Request(ours.config, ours.board, ours.wheels, [*others, *verbatim])


@ending_cleanly
def main(argv: Sequence[str]) -> int:
    """Set up, serve privately, answer, stop. Returns the exit code of `edge-rt run`."""
    request = parse(argv)
    return answer(request, ensure(wheels=request.wheels))


def answer(request: Request, venv: Venv) -> int:
    """Have `edge-rt run` answer by itself, with what `venv` holds."""
    edge_rt = str(venv.command("edge-rt"))
    # Without --config, not this machine's configuration but the defaults.
    config = str(request.config or os.devnull)
    with sensors_options(edge_rt, config, request.board) as sensors:
        run = [edge_rt, "run", "--standalone", "--config", config, *sensors]
        return run_child([*run, *request.passed])
