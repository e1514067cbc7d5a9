"""Making a smaller or faster model of a GGUF model: the same weights in another number format."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.system.ownership import child_ids
from edge_rt.models.formats.gguf import FILE_TYPES
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.digest import Progress, copy, unseen
from edge_rt.models.store.disk import clear, locked, owned, require_space, store_errors
from edge_rt.models.store.store import Store

PROGRAM = (sys.executable, "-m", "edge_rt.backends.quantize")  # see there for what it says
_WORK = ".quantize"  # below the store; what a killed command left there goes with the next one
_NUMBERS = {name: number for number, name in FILE_TYPES.items()}

FORMATS = (
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_1",
    "Q5_0",
    "Q4_K_M",
    "Q4_K_S",
    "Q4_1",
    "Q4_0",
    "IQ4_NL",
    "IQ4_XS",
    "Q3_K_L",
    "Q3_K_M",
    "Q3_K_S",
    "Q2_K",
)
"""The formats to choose from, the most exact first; others need statistics of the activations."""


FASTEST = "Q4_0"
SLOWER: Mapping[str, tuple[float, float]] = {
    "Q4_K_M": (1.07, 1.12),
    "Q4_1": (1.36, 2.5),
    "Q8_0": (1.55, 1.31),
}
"""The time of a token, and of reading a prompt, over those in FASTEST: a 1.5B model on two cores
with AVX2, medians of two rounds."""


def faster_format(model: ModelRecord) -> str | None:
    """Return what the fastest format would gain and cost a model; None: nothing is known."""
    if model.kind != "language" or model.summary.quantisation not in SLOWER:
        return None
    token, prompt = SLOWER[model.summary.quantisation]
    return (
        f"The fastest number format is mostly {FASTEST}: a token takes {1 - 1 / token:.0%} less "
        f"time than in {model.summary.quantisation}, reading a prompt {1 - 1 / prompt:.0%}, but "
        "small models lose answers by it. "
        f"edge-rt models quantize {model.id} {FASTEST} makes it, edge-rt calibrate compares them"
    )


def quantize(
    id: str,
    format: str,
    store: Store,
    *,
    new_id: str | None = None,
    threads: int | None = None,
    program: Sequence[str] = PROGRAM,
    progress: Progress = unseen,
) -> ModelRecord:
    """Have the GGUF model `id` in the store once more, in `format`, as `new_id`.

    That is `id` and the format otherwise. A child process does it, as it needs a native library.
    Numbers that were rounded are rounded again: best begin with an exact model. `progress` gets
    bytes of the model that was there. A failure leaves the store as it was.

    Raises RequestError for a format that is not known, ModelNotFound, ModelFileError when it
    cannot be done with this model, StoreError when there is no room or the new id is taken.
    """
    number = _number(format)
    source = store.get(id)
    if source.backend != "llama.cpp":
        raise RequestError(f"{id} is no GGUF model; only those can be quantized", param="id")
    name = store.free_id(new_id or f"{id}-{format.lower()}")
    path = store.check(id)
    work = store.root / _WORK
    with (
        owned(store.root),
        store_errors(f"cannot quantize {id}"),
        locked(work / "lock", wait=False),
    ):
        try:
            target = work / f"{name}.gguf"
            for left in work.glob("*.gguf"):
                left.unlink()
            threads = threads or len(os.sched_getaffinity(0))
            words = [str(path), str(target), str(number), str(threads)]
            require_space(work, source.size)
            _run([*program, *words], source, progress)
            origin = source.source_sha256 or source.sha256
            eyes = source.projector and work / f"{name}-{source.projector.name}"
            if source.projector and eyes:
                copy(source.projector, eyes)
            return store.add(target, name, move=True, projector=eyes, source_sha256=origin)
        finally:
            with suppress(OSError):  # what is left goes with the next one
                clear(work / "lock")


def _number(format: str) -> int:
    if format.upper() not in FORMATS:
        known = ", ".join(FORMATS)
        raise RequestError(f"no format {format!r:.40}; there are {known}", param="format")
    return _NUMBERS[format.upper()]


def _run(command: list[str], source: ModelRecord, progress: Progress) -> None:
    user, group = child_ids()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            user=user,
            group=group,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                match line.split():
                    case ["done", done, total]:
                        progress(source.size * int(done) // int(total), source.size)
                    case _:
                        pass
            code = process.wait()
        finally:
            process.kill()
        if code:
            errors.seek(0)
            reason = errors.read().strip() or f"it ended with {code}"
            raise ModelFileError(f"{source.path}: cannot be quantized: {reason}")
