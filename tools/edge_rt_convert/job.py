"""One conversion: a model as a folder that onnxruntime runs, checked against the original."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from edge_rt.cli.progress import progress
from edge_rt.models.formats.card import CARD, read_card
from edge_rt_convert import ConvertError
from edge_rt_convert.check import Check, check_model, table
from edge_rt_convert.model import GRAPH, TOKENIZER, convert_gguf, entry_yaml, hashes
from edge_rt_convert.runs import drawn, tokens_of, windows


@dataclass(frozen=True)
class Job:
    """Convert the GGUF file `source` into `folder`; `round_all`: with every matrix in 8 bits.

    The comparison reads the file `text`, at most `tokens` of it; None: a text that the model makes
    up.
    """

    source: Path
    folder: Path
    round_all: bool
    text: Path | None
    tokens: int
    threads: int

    def run(self, report: Path, compare: bool) -> tuple[str, Sequence[str]]:
        """Convert, compare and write the report.

        Returns the model's catalogue entry in YAML, and the faults that the comparison found.
        Raises ConvertError, OSError.
        """
        self._convert()
        found = self._compare() if compare else None
        sums = hashes(self.folder)
        self._write_report(report, sums, found)
        return entry_yaml(self.folder, sums), [] if found is None else found.faults

    def _convert(self) -> None:
        """Make the folder, which is there as a whole or not at all."""
        if self.folder.exists():
            raise ConvertError(f"{self.folder} is there already")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".convert-", dir=self.folder.parent))
        try:
            with progress() as show:
                convert_gguf(
                    self.source,
                    unfinished,
                    round_all=self.round_all,
                    on_layer=lambda done, count: show(
                        done / count, f"Converting {self.source.name}"
                    ),
                )
            unfinished.chmod(0o755)
            unfinished.rename(self.folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _compare(self) -> Check:
        """Compare with the original; the table goes to standard error."""
        quantised = not read_card(self.folder / CARD).quantisation.startswith(("fp", "bf"))
        with progress() as show:
            show(0.0, "Comparing with llama.cpp")
            found = check_model(
                self.source,
                self.folder / GRAPH,
                windows(self._tokens()),
                threads=self.threads,
                quantised=quantised,
                on_run=show,
            )
        Console(stderr=True, width=100).print(table(found))
        return found

    def _tokens(self) -> list[int]:
        if self.text is None:
            return drawn(self.source, self.tokens, threads=self.threads)
        text = self.text.read_text("utf-8", errors="replace")
        return tokens_of(self.source, self.folder / TOKENIZER, text, self.tokens)

    def _write_report(self, path: Path, sums: dict[str, str], found: Check | None) -> None:
        """Write what was converted, every file's sha256 and the comparison if there was one."""
        document = {
            "source": self.source.name,
            "source_sha256": read_card(self.folder / CARD).source_sha256,
            "files": sums,
            "check": None if found is None else found.as_json(),
        }
        path.write_text(json.dumps(document, indent=2) + "\n")
