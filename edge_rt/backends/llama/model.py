"""Loading GGUF files, and making the contexts that they run in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib

from edge_rt.backends.llama.log import capture
from edge_rt.backends.llama.openmp import park_threads
from edge_rt.errors import ModelFileError


def load(path: Path, params: Any) -> Any:
    """The file as a llama_model; ModelFileError, with llama.cpp's own words, says why not."""
    with capture() as complaints:
        model = lib.llama_model_load_from_file(str(path).encode(), params)
    park_threads()  # those of a thread that only loads would slow down those that compute
    if not model:
        raise ModelFileError(f"llama.cpp cannot load {path.name}: {complaints.summary()}")
    return model


def load_weights(path: Path, gpu_layers: int) -> Any:
    """The file with its weights, of so many layers on a GPU; see `load`.

    Without a GPU llama.cpp would leave them on the CPU and say nothing: that is a ModelFileError.
    """
    if gpu_layers and not lib.llama_supports_gpu_offload():
        raise ModelFileError(
            f"`engine.gpu_layers` is {gpu_layers}, and this llama.cpp finds no GPU: have it built "
            "for yours (CMAKE_ARGS of tools/run), or set it to 0"
        )
    params = lib.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    return load(path, params)


def make_context(model: Any, params: Any) -> Any:
    """A llama_context for `model`, which is freed where there can be none: ModelFileError."""
    with capture() as complaints:
        made = lib.llama_init_from_model(model, params)
    if not made:
        lib.llama_model_free(model)
        raise ModelFileError(f"llama.cpp cannot make a context: {complaints.summary()}")
    return made
