"""A GGUF header is read right or refused with a reason, whatever the bytes."""

from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.gguf import Header, read_header, refuse_twins
from edge_rt.models.formats.summary import Summary, read_summary

Write = Callable[..., Path]
Gguf = Any  # the builder of conftest.py

U64 = struct.Struct("<Q")
HUGE = (0, 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
INPLACE = settings(
    deadline=None,
    max_examples=3 * settings().max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_a_valid_file_is_read(gguf: Gguf, write: Write) -> None:
    header = read_header(write(gguf))
    assert header.vocab == 600
    assert header.values["llama.block_count"] == 2
    assert header.values["llama.rope.freq_base"] == 10000.0
    assert (header.bos_token, header.eos_token) == ("t1", "t599")
    assert header.elements == {"Q4_0": 64 * 600, "F32": 64, "Q8_0": 640}


def test_long_lists_are_not_kept(gguf: Gguf, write: Write) -> None:
    long = b"".join((struct.pack("<IIQ", 9, 6, 5000), b"\0" * 20000))
    header = read_header(write(gguf.changed(llama__floats=long)))
    assert not {"tokenizer.ggml.tokens", "llama.floats"} & set(header.values)


@pytest.mark.parametrize("token", [0, 1, 255, 256, 257, 511, 512, 599])
def test_any_token_is_found_again(token: int, gguf: Gguf, write: Write) -> None:
    key = struct.pack("<II", 4, token)
    header = read_header(write(gguf.changed(tokenizer__ggml__bos_token_id=key)))
    assert header.bos_token == f"t{token}"


def test_texts_longer_than_a_chunk_are_passed_over(gguf: Gguf, write: Write) -> None:
    notes = struct.pack("<IQ", 8, 3_000_000) + b"x" * 3_000_000
    assert read_header(write(gguf.changed(general__notes=notes))).vocab == 600


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"magic": b"GGML"}, "not a GGUF file: it begins with b'GGML'"),
        ({"version": 1}, "version 1"),
        ({"version": 4}, "version 4"),
        ({"version": 3 << 24}, "big-endian"),
        ({"tensors": []}, "no tensors"),
        ({"tensors": [("a", [32], 99, 4)]}, "unknown type 99"),
        ({"tensors": [("a", [33], 2, 18)]}, "rows of 33, not whole Q4_0 blocks"),
        ({"tensors": [("a", [2] * 5, 0, 128)]}, "5 dimensions"),
        ({"tensors": [("a", [2**62, 0], 0, 0)]}, "'a' holds no numbers"),
        ({"tensors": [("a", [8], 0, 32), ("a", [8], 0, 32)]}, "duplicate tensor 'a'"),
        ({"tensors": [("a", [8], 0, 64), ("b", [8], 0, 32)]}, "'b' lies at 64, expected 32"),
        ({"tensors": [("a", [2**60, 2**60], 0, 32)]}, "truncated: tensor 'a'"),
    ],
)
def test_a_wrong_structure_is_named(
    change: dict[str, object], words: str, gguf: Gguf, write: Write
) -> None:
    with pytest.raises(ModelFileError, match=words):
        read_header(write(replace(gguf, **change)))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (struct.pack("<I", 13), "unknown value type 13"),
        (struct.pack("<IIQ", 9, 9, 1), "unknown value type 9"),
        (struct.pack("<IIQ", 9, 8, 2**60), "list of 1152921504606846976 texts"),
        (struct.pack("<IIQ", 9, 12, 2**61), "truncated"),
        (struct.pack("<IQ", 8, 2**63), "truncated"),
    ],
)
def test_a_wrong_value_is_named(value: bytes, words: str, gguf: Gguf, write: Write) -> None:
    with pytest.raises(ModelFileError, match=words):
        read_header(write(gguf.changed(x__wrong=value)))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tokens", struct.pack("<II", 4, 1), "is no list"),
        ("tokens", struct.pack("<IIQ", 9, 5, 0), "wrong value type 5"),
        ("merges", struct.pack("<IIQ", 9, 4, 0), "wrong value type 4"),
        ("scores", struct.pack("<IIQ", 9, 12, 600) + bytes(4800), "wrong value type 12"),
        ("scores", struct.pack("<IIQ", 9, 6, 599) + bytes(2396), "599 values for 600 tokens"),
        ("token_type", struct.pack("<IIQ", 9, 5, 0), "0 values for 600 tokens"),
        ("token_type", struct.pack("<IIQ", 9, 4, 600) + bytes(2400), "wrong value type 4"),
    ],
)
def test_what_is_told_of_tokens_is_told_of_each(
    key: str, value: bytes, words: str, gguf: Gguf, write: Write
) -> None:
    with pytest.raises(ModelFileError, match=rf"'tokenizer\.ggml\.{key}' .*{words}"):
        read_header(write(gguf.changed(**{f"tokenizer__ggml__{key}": value})))


def test_no_token_may_come_twice(gguf: Gguf, write: Write) -> None:
    raw = gguf.encode()
    refuse_twins(write(raw))
    with pytest.raises(ModelFileError, match=r"token 11, b't10', is in the vocabulary twice"):
        refuse_twins(write(raw.replace(b"\3\0\0\0\0\0\0\0t11", b"\3\0\0\0\0\0\0\0t10", 1)))
    nameless = struct.pack("<IIQ", 9, 8, 2) + bytes(16)
    refuse_twins(write(gguf.changed(tokenizer__ggml__tokens=nameless)))
    refuse_twins(write(gguf.changed(tokenizer__ggml__tokens=None)))


def test_a_key_may_not_come_twice(gguf: Gguf, write: Write) -> None:
    raw = gguf.encode()
    twice = raw.replace(b"llama.context_length", b"general.xyz_license_", 1)
    assert read_header(write(twice))
    twice = raw.replace(b"general.license", b"general.file_ty", 1)
    twice = twice.replace(
        b"\x11\0\0\0\0\0\0\0general.file_type", b"\x0f\0\0\0\0\0\0\0general.file_ty"
    )
    with pytest.raises(ModelFileError, match=r"duplicate key 'general\.file_ty'"):
        read_header(write(twice))


@pytest.mark.parametrize("alignment", [0, 3, 8, 16, 48])
def test_alignment_is_a_power_of_two_and_enough(alignment: int, gguf: Gguf, write: Write) -> None:
    value = struct.pack("<II", 4, alignment)
    with pytest.raises(ModelFileError, match=r"general\.alignment"):
        read_header(write(gguf.changed(general__alignment=value)))


def test_another_alignment_is_obeyed(gguf: Gguf, write: Write) -> None:
    value = struct.pack("<II", 4, 256)
    header = read_header(write(replace(gguf.changed(general__alignment=value), alignment=256)))
    assert header.vocab == 600


@pytest.mark.parametrize("token", [600, 2**32 - 1])
def test_a_token_outside_the_vocabulary_is_named(token: int, gguf: Gguf, write: Write) -> None:
    value = struct.pack("<II", 4, token)
    with pytest.raises(ModelFileError, match="has 600 tokens"):
        read_header(write(gguf.changed(tokenizer__ggml__eos_token_id=value)))


def test_text_that_is_no_utf8_is_named(gguf: Gguf, write: Write) -> None:
    value = struct.pack("<IQ", 8, 2) + b"\xff\xfe"
    with pytest.raises(ModelFileError, match="not UTF-8"):
        read_header(write(gguf.changed(general__name=value)))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing"):
        with pytest.raises(ModelFileError, match=path.name):
            read_header(path)


@INPLACE
@given(data=st.data())
def test_every_truncation_is_refused(data: st.DataObject, gguf: Gguf, write: Write) -> None:
    raw = gguf.encode()
    length = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(ModelFileError):
        read_header(write(raw[:length]))


def _read(path: Path) -> Header | Summary | ModelFileError:
    try:
        read_header(path)
        return read_summary(path)
    except ModelFileError as error:
        return error


@INPLACE
@given(data=st.data())
def test_changed_bytes_end_in_a_header_or_a_fault(
    data: st.DataObject, gguf: Gguf, write: Write
) -> None:
    raw = bytearray(gguf.encode())
    end = len(gguf.header())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, end - 8))
        new = data.draw(st.one_of(st.sampled_from(HUGE).map(U64.pack), st.binary(max_size=8)))
        raw[at : at + len(new)] = new
    result = _read(write(bytes(raw)))
    if isinstance(result, ModelFileError):
        assert len(str(result)) < 1000


@INPLACE
@given(content=st.binary(max_size=400))
def test_random_bytes_after_the_magic_end_in_a_fault(content: bytes, write: Write) -> None:
    assert isinstance(_read(write(b"GGUF\x03\0\0\0" + content)), ModelFileError)


@pytest.mark.parametrize("huge", HUGE[2:])
def test_no_count_makes_it_allocate(huge: int, gguf: Gguf, write: Write) -> None:
    raw = gguf.encode()
    path = write(raw)
    end = len(gguf.header())
    for at in range(8, end - 8, 31):
        path.write_bytes(raw[:at] + U64.pack(huge) + raw[at + 8 :])
        tracemalloc.start()
        _read(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * 1024 * 1024


def test_the_real_model(smollm2: Path) -> None:
    header = read_header(smollm2)
    assert header.vocab == 49152
    assert (header.bos_token, header.eos_token) == ("<|im_start|>", "<|im_end|>")
    tracemalloc.start()
    read_header(smollm2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 1024 * 1024  # its header is 1.8 MB, most of it vocabulary
