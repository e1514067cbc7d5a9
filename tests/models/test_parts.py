"""Models in several files, from the hub and from disk, are one model."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import feed
from tiny_gguf import Tiny, byte_level, write_tiny

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.core.errors import ModelFileError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.formats.summary import read_summary
from edge_rt.models.naming import content_sha256, derive_id, parts_of
from edge_rt.models.store.store import Store

Write = Callable[..., Path]
FIRST, SECOND = "Tiny-Q4_0-00001-of-00002.gguf", "Tiny-Q4_0-00002-of-00002.gguf"


def u16(value: int) -> bytes:
    return struct.pack("<IH", 2, value)


def halves(gguf: Any, held: int = 1) -> tuple[Any, Any]:
    """The model in two parts, of which the first has `held` tensors and all metadata."""
    first = gguf.changed(split__no=u16(0), split__count=u16(2))
    second = replace(gguf, metadata={"split.no": u16(1), "split.count": u16(2)})
    tensors = gguf.tensors
    return replace(first, tensors=tensors[:held]), replace(second, tensors=tensors[held:])


def store_in(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", Catalogue())


def test_the_first_part_names_all_of_them() -> None:
    assert parts_of("sub/a-00001-of-00003.gguf")[1:] == [
        "sub/a-00002-of-00003.gguf",
        "sub/a-00003-of-00003.gguf",
    ]
    assert parts_of("a-00002-of-00003.gguf") == []
    assert parts_of("a.gguf") == ["a.gguf"]
    assert derive_id(Path(FIRST), None) == "tiny-q4_0"


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_model_in_two_parts_is_what_it_is_in_one(
    gguf: Any, write: Write, tmp_path: Path, held: int
) -> None:
    whole = read_summary(write(gguf, "whole.gguf"))
    for name, half in zip((FIRST, SECOND), halves(gguf, held), strict=True):
        write(half, name)
    store = store_in(tmp_path)
    record = store.add(tmp_path / FIRST)
    assert record.id == "tiny-q4_0"
    assert record.path.name == FIRST
    assert [file.name for file in record.files] == [FIRST, SECOND]
    assert record.sha256 == content_sha256((file.name, file.sha256) for file in record.files)
    for name in ("parameters", "vocab", "layers", "kv_per_token"):
        assert getattr(record.summary, name) == getattr(whole, name)
    assert record.summary.file_bytes == record.size
    assert store.harm(record.id) is None
    record.path.with_name(SECOND).write_bytes(b"other")
    assert SECOND in (store.harm(record.id) or "")


def test_a_folder_of_parts_is_taken_too(gguf: Any, write: Write, tmp_path: Path) -> None:
    for name, half in zip((FIRST, SECOND), halves(gguf), strict=True):
        write(half, f"parts/{name}")
    assert len(store_in(tmp_path).add(tmp_path / "parts").files) == 2


def test_parts_without_the_others_are_refused_by_name(
    gguf: Any, write: Write, tmp_path: Path
) -> None:
    first, second = (
        write(half, name) for name, half in zip((FIRST, SECOND), halves(gguf), strict=True)
    )
    store = store_in(tmp_path)
    with pytest.raises(ModelFileError, match="not the first part"):
        store.add(second)
    second.unlink()
    with pytest.raises(ModelFileError, match=f"{SECOND}: missing"):
        store.add(first)
    with pytest.raises(ModelFileError, match="one of 2 parts, of which 1 are there"):
        store.add(first.rename(tmp_path / "renamed.gguf"))


def test_a_part_may_not_be_a_link_to_a_file_elsewhere(
    gguf: Any, write: Write, tmp_path: Path
) -> None:
    first, second = halves(gguf)
    write(first, f"here/{FIRST}")
    (tmp_path / "here" / SECOND).symlink_to(write(second, f"there/{SECOND}"))
    with pytest.raises(ModelFileError, match="a link to a file elsewhere"):
        store_in(tmp_path).add(tmp_path / "here" / FIRST)


def test_llama_cpp_reads_the_stored_parts_as_the_whole(tmp_path: Path) -> None:
    tiny, vocabulary = Tiny(), byte_level("gpt-2")
    whole = write_tiny(tmp_path / "whole.gguf", tiny, vocabulary)
    first = write_tiny(tmp_path / "parts.gguf", tiny, vocabulary, split=9)
    record = store_in(tmp_path).add(first)
    assert len(record.files) > 2
    found: list[np.ndarray] = []
    for path in (whole, record.path):
        with closing(
            LlamaBackend(path, context=64, sequences=1, batch=32, threads=1, kv_type="f16")
        ) as model:
            found.append(feed(model, 0, 0, [1, 2, 3]))
    np.testing.assert_array_equal(found[0], found[1])
