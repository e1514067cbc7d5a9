"""numpy's files are read and written without numpy, and nothing in them is run."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from starlette.exceptions import HTTPException

from edge_rt.api.edge.tensors import MAGIC, NPY, STRUCT, read_npy, read_npz, write_npy, write_npz
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Tensor

ARRAYS = st.sampled_from(sorted(NPY)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)


def saved(array: Any, **how: Any) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), **how)
    return out.getvalue()


def tensor(array: np.ndarray) -> Tensor:
    return Tensor(array.dtype.name, list(array.shape), np.ascontiguousarray(array).tobytes())


@given(ARRAYS, st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_what_numpy_saves_is_read(array: np.ndarray, version: tuple[int, int]) -> None:
    assert read_npy(saved(array, version=version), "x") == tensor(array)


@given(ARRAYS)
def test_numpy_reads_what_is_written(array: np.ndarray) -> None:
    again = np.load(io.BytesIO(write_npy(tensor(array))), allow_pickle=False)
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()


@given(st.dictionaries(st.sampled_from(["a", "b/c", "d.e"]), ARRAYS, max_size=3))
def test_archives_go_there_and_back(arrays: dict[str, np.ndarray]) -> None:
    tensors = {name: tensor(array) for name, array in arrays.items()}
    body = write_npz(tensors)
    assert read_npz(body, 1 << 20) == tensors
    loaded = np.load(io.BytesIO(body), allow_pickle=False)
    assert {name: loaded[name].tobytes() for name in loaded.files} == {
        name: array.tobytes() for name, array in arrays.items()
    }


def test_every_type_has_a_letter_and_a_code() -> None:
    assert set(NPY) == set(STRUCT)
    for dtype, code in NPY.items():
        assert np.dtype(code) == np.dtype(dtype)


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was run",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no .npy file"),
        (b"PK\x03\x04", "no .npy file"),
        (b"\x93NUMPY\x04\x00\x00\x00", "no .npy file of version 1, 2 or 3"),
        (b"\x93NUMPY\x01\x00\xff\x00{", "cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "cut off or far too long"),
        (b"\x93NUMPY\x01\x00\x02\x00[]", "no dictionary"),
        (b"\x93NUMPY\x01\x00\x08\x00__import", "no dictionary"),
        (saved(np.array([Bomb()], object)), "'|O' are not taken"),
        (saved(np.zeros(2, ">f4")), "'>f4' are not taken"),
        (saved(np.zeros(2, "<c8")), "'<c8' are not taken"),
        (saved(np.zeros(2, [("a", "<f4")])), "are not taken"),
        (saved(np.asfortranarray(np.zeros((2, 3)))), "order is Fortran's"),
        (saved(np.zeros(4, "<f4"))[:-1], "takes 16 bytes, and the .npy file has 15"),
        (saved(np.zeros(4, "<f4")) + b"x", "has 17"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_npy(body, "x")
    assert caught.value.param == "inputs.x"
    assert said in str(caught.value)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    for body in (noise, b"\x93NUMPY\x01\x00" + noise, b"PK\x03\x04" + noise):
        with pytest.raises(RequestError):
            read_npy(body, "x")
        with pytest.raises(RequestError):
            read_npz(body, 1000)


@pytest.mark.parametrize("shape", ["(1,) * 65", f"({'1, ' * 65})", f"({'9' * 4000}, {'9' * 4000})"])
def test_sizes_that_no_array_has_are_no_shape(shape: str) -> None:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    body = MAGIC + b"\x02\x00" + len(head).to_bytes(4, "little") + head
    with pytest.raises(RequestError):
        read_npy(body, "x")


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked() -> None:
    out = io.BytesIO()
    np.savez_compressed(out, x=np.zeros(1 << 20))
    assert len(out.getvalue()) < 1 << 14
    with pytest.raises(HTTPException) as caught:
        read_npz(out.getvalue(), 1 << 20)
    assert caught.value.status_code == 413


def test_an_archive_that_lies_about_its_size_is_unpacked_no_further() -> None:
    out, limit = io.BytesIO(), 1 << 20
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(64 * limit))
    size = (64 * limit).to_bytes(4, "little")
    body = out.getvalue().replace(size, (1000).to_bytes(4, "little"))
    assert size not in body
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match=r"no \.npz file"):
            read_npz(body, limit)
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_would_not_pack_like_that_is_refused(how: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        archive.writestr("x.npy", saved(np.zeros(4)))
    with pytest.raises(RequestError, match=r"`inputs`: 'x\.npy' is packed"):
        read_npz(out.getvalue(), 1 << 20)


def test_a_damaged_archive_is_refused() -> None:
    out = io.BytesIO()
    np.savez_compressed(out, x=np.arange(1000))
    body = bytearray(out.getvalue())
    body[200] ^= 0xFF
    with pytest.raises(RequestError, match=r"no \.npz file"):
        read_npz(bytes(body), 1 << 20)


def test_the_file_at_fault_is_named() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("good.npy", saved(np.zeros(1)))
        archive.writestr("bad.npy", b"no array")
    with pytest.raises(RequestError, match=r"`inputs\.bad`"):
        read_npz(out.getvalue(), 1 << 20)
