"""The GGUF file that a model is converted from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.gguf import read_header
from edge_rt.models.store.digest import digest
from edge_rt_convert import ConvertError


class Source:
    """Metadata and tensors of the GGUF at `path`; weights are mapped, not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            read_header(path)  # which says what is missing of a file that was cut off
            self._reader = gguf.GGUFReader(path)
        except ModelFileError as error:
            raise ConvertError(str(error)) from error
        except (OSError, ValueError, IndexError, KeyError) as error:
            raise ConvertError(f"{path}: not a GGUF file that can be read: {error}") from error
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self._used: set[str] = set()
        self.architecture = str(self.need("general.architecture"))
        if int(self.value("split.count", 1)) > 1:
            raise ConvertError(f"{path}: one part of several; join them with llama-gguf-split")

    def value(self, key: str, default: Any = None) -> Any:
        """The metadata of that key, as plain Python, or `default`."""
        field = self._reader.fields.get(key)
        return default if field is None else field.contents()

    def need(self, key: str) -> Any:
        """The metadata of that key; raises ConvertError where it is missing."""
        found = self.value(key)
        if found is None:
            raise ConvertError(f"{self.path}: the key {key!r} is missing")
        return found

    def own(self, key: str, default: Any = None) -> Any:
        """The metadata of that key below the architecture's name, or `default`."""
        return self.value(f"{self.architecture}.{key}", default)

    def need_own(self, key: str) -> Any:
        """Return the value of a key of its architecture; raise ConvertError where it is missing."""
        return self.need(f"{self.architecture}.{key}")

    def __contains__(self, tensor: str) -> bool:
        return tensor in self._tensors

    def tensor(self, name: str) -> gguf.ReaderTensor:
        """The tensor of that name; raises ConvertError where it is missing."""
        if name not in self._tensors:
            raise ConvertError(f"{self.path}: the tensor {name!r} is missing")
        self._used.add(name)
        return self._tensors[name]

    def unused(self) -> list[str]:
        """The names of tensors that nobody asked for."""
        return sorted(self._tensors.keys() - self._used)

    def floats(self, name: str) -> np.ndarray:
        """A tensor that is not quantised, such as a norm or a bias, in float32."""
        tensor = self.tensor(name)
        if tensor.tensor_type.name not in ("F32", "F16", "BF16"):
            raise ConvertError(f"{name} is {tensor.tensor_type.name}; floats were expected there")
        return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    def weights(self, name: str) -> np.ndarray:
        """Any matrix, in float32 (rows, columns)."""
        tensor = self.tensor(name)
        columns, rows = (int(length) for length in tensor.shape)
        try:
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            kind = tensor.tensor_type.name
            raise ConvertError(f"{name} is quantised as {kind}, which cannot be read") from error
        return values.reshape(rows, columns).astype(np.float32)

    def elements(self) -> Iterator[tuple[str, int]]:
        """The type of each tensor and how many numbers it holds."""
        for tensor in self._tensors.values():
            yield tensor.tensor_type.name, int(tensor.n_elements)

    def parameters(self) -> int:
        """Return how many numbers all tensors hold."""
        return sum(count for _, count in self.elements())

    def sha256(self) -> str:
        """Return the hash of the whole file."""
        return digest(self.path)
