"""Man pages and completion for shells, which the installed program describes itself for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bootstrap.paths import CHECKOUT

from installlib.files import Layout

SHARE = "/usr/local/share"
MANUAL = f"{SHARE}/man/man1"
COMPLETIONS = {
    "bash": f"{SHARE}/bash-completion/completions/edge-rt",
    "zsh": f"{SHARE}/zsh/site-functions/_edge-rt",
    "fish": f"{SHARE}/fish/vendor_completions.d/edge-rt.fish",
}


def put(layout: Layout) -> bool:
    """Write all of them, by the installed program's Python; whether that worked."""
    python = layout.at(layout.prefix) / "bin" / "python"
    root = layout.destdir or Path("/")
    words = [str(python), "-m", "installlib.pages", str(root)]
    done = subprocess.run(words, cwd=CHECKOUT / "tools", capture_output=True, check=False)
    return done.returncode == 0


def remove(layout: Layout) -> None:
    """Delete all of them."""
    for page in written(layout):
        page.unlink()


def written(layout: Layout) -> list[Path]:
    """Return those that are there."""
    completions = [layout.at(place) for place in COMPLETIONS.values()]
    pages = [*layout.at(MANUAL).glob("edge-rt*.1"), *completions]
    return [page for page in pages if page.exists()]


def write(layout: Layout) -> None:
    """Write them with what this Python has installed; pages of commands that are gone go."""
    from docslib.manual import write_manual

    remove(layout)
    write_manual(layout.at(MANUAL))
    put_completions({shell: layout.at(place) for shell, place in COMPLETIONS.items()})


def put_completions(places: Mapping[str, Path]) -> None:
    """Write what completes commands, in the place for each shell."""
    from click.shell_completion import get_completion_class

    from edge_rt.cli.main import main

    for shell, path in places.items():
        kind = get_completion_class(shell)
        assert kind is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(kind(main, {}, "edge-rt", "_EDGE_RT_COMPLETE").source())


if __name__ == "__main__":
    write(Layout(destdir=Path(sys.argv[1])))
