"""edge-rt models export and import: models on their way between machines, in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.model_store import open_store, with_store
from edge_rt.cli.progress import bar
from edge_rt.cli.text import clean, note
from edge_rt.core.errors import EdgeError
from edge_rt.models.store.offline_bundle import BundlePiece, missing, pack, take_in, unpack
from edge_rt.models.store.store import Store

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("export")
@click.argument("folder", type=FOLDER)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@with_store
def export_models(
    folder: Path, ids: tuple[str, ...], store: Path | None, config: Path | None
) -> None:
    """Copy models to FOLDER, such as a USB stick, for a machine without a network.

    All of them, or those that are named. Beside them comes SHA256SUMS, with which
    `edge-rt models import` and `sha256sum --check` tell whether they arrived unharmed. What is
    there already is left as it is.
    """
    place = open_store(store, config)
    entries = [place.get(id) for id in ids] or place.entries()
    lacking = missing(entries, folder)
    for entry in entries:
        if entry in lacking:
            with bar(f"Exporting {entry.id}") as progress:
                pack(entry, folder, progress)
        note(f"{entry.id} is in {folder / entry.id}")


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("names", metavar="[ID]...", nargs=-1)
@with_store
def import_models(
    folder: Path, names: tuple[str, ...], store: Path | None, config: Path | None
) -> None:
    """Take in the models of FOLDER, such as a USB stick, as their checksums say.

    All of them, or those that are named. FOLDER is what `edge-rt models export` made, or holds
    GGUF files and folders with an ONNX model, and SHA256SUMS with the checksum of every file:
    sha256sum *.gguf > SHA256SUMS. A file that differs has its model refused and no other; then the
    exit code is 1.
    """
    place = open_store(store, config, write=True)
    refused = 0
    for piece in unpack(folder, place, names):
        try:
            told = _take(piece, place)
        except EdgeError as error:
            refused += 1
            told = f"{piece.name}: refused: {error}"
        click.echo(clean(told))
    if refused:
        raise CommandFailure(f"{refused} of the models were not taken in")


def _take(piece: BundlePiece, store: Store) -> str:
    """Take the piece in, and say what became of it; raises EdgeError where it is refused."""
    if piece.there and piece.present is not None:
        return f"{piece.present.id}: is in the store already"
    with bar(f"Importing {piece.name}") as progress:
        entry = take_in(piece, store, progress)
    return f"{entry.id}: {'mended' if piece.present else 'taken in'}"
