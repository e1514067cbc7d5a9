"""One model as both libraries run it: its GGUF, and the ONNX folder converted from that."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bootstrap.paths import CHECKOUT

from benchlib import BenchError
from edge_rt.backends.base import Backend
from edge_rt.backends.llama.model import park_threads
from edge_rt.config.schema import Engine
from edge_rt.core.errors import EdgeError
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.worker.loading import make_backend
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.loading import load_configs
from edge_rt.models.quantize import quantize
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.routing.choice.ask import Variant

CONTEXT = 2048  # tokens
GGUF, ONNX = "gguf", "onnx"  # ids of the two
_SOURCE = "source"
KV_TYPE = "own"  # each has the one that it has
_CONVERTER = CHECKOUT / "tools/edge_rt_convert"
_PROGRAM = (
    "import sys; from pathlib import Path; from edge_rt_convert.model import convert_gguf;"
    "convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]))"
)


@dataclass(frozen=True)
class Side:
    """One of the two, loaded as the engine would. `park` is to be called behind its passes, so
    that no thread of it waits awake while the other one computes.
    """

    entry: ModelRecord
    backend: Backend
    park: Callable[[], object]

    @property
    def name(self) -> str:
        """The name of the pair in all figures."""
        return self.entry.id


def converted(gguf: Path, cache: Path) -> Path:
    """The folder below `cache` that `gguf` was converted to; made where this converter did not yet.

    Raises BenchError where it cannot be made.
    """
    place = cache / "converted" / f"{gguf.stem}-{_digest(_CONVERTER)}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as made:
            _convert(gguf, Path(made) / "model")
            with suppress(OSError):  # another one was first
                Path(made, "model").rename(place)
    return place


def entries(
    gguf: Path, cache: Path, root: Path, form: str | None = None
) -> tuple[ModelRecord, ModelRecord]:
    """Both as a new store at `root` knows them; converted below `cache`.

    With `form` the GGUF is first quantised to that format. Raises BenchError.
    """
    store = Store(root, load_catalogue())
    try:
        if form is None:
            first = store.add(gguf, GGUF)
        else:
            store.add(gguf, _SOURCE)
            first = quantize(_SOURCE, form, store, new_id=GGUF)
            gguf, cache = first.path, root
        return first, store.add(converted(gguf, cache), ONNX)
    except EdgeError as error:
        raise BenchError(str(error)) from error


def load(entry: ModelRecord, threads: int) -> Side:
    """Load one, with a single sequence."""
    engine = Engine()
    spec = ModelSpec(
        backend=entry.backend,
        path=str(entry.path),
        context=CONTEXT,
        sequences=1,
        batch=engine.batch,
        flash_attention=engine.flash_attention,
        kv_type=load_configs(entry, engine)[0].kv_type,
    )
    backend = make_backend(spec, threads)
    return Side(entry, backend, park_threads)  # pyright: ignore[reportArgumentType]


def variant(entry: ModelRecord) -> Variant:
    """Return the variant as the router knows it; the weights of both are the same."""
    summary = entry.summary
    return Variant(
        id=entry.id,
        source=GGUF,
        weights=GGUF,
        backend=entry.backend,
        quantisation=summary.quantisation,
        context=CONTEXT,
        weights_bytes=float(entry.size),
        kv_bytes={KV_TYPE: float(summary.kv_bytes(CONTEXT))},
    )


def _convert(gguf: Path, folder: Path) -> None:
    """Convert in a process of its own, so that its memory is free afterwards."""
    folder.mkdir()
    argv = [sys.executable, "-c", _PROGRAM, str(gguf), str(folder)]
    done = subprocess.run(argv, cwd=_CONVERTER.parent, capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise BenchError(
            f"{gguf} was not converted: {why[0]}. What is missing, pip install '.[convert]' brings"
        )


def _digest(folder: Path) -> str:
    """A word for the content of the programs in `folder`."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
