"""Weights go where they were told to, or nowhere."""

from __future__ import annotations

from pathlib import Path

import llama_cpp.llama_cpp as lib
import pytest

from edge_rt.backends.llama.model import load_weights
from edge_rt.core.errors import ModelFileError


def test_layers_for_a_gpu_that_is_not_there_are_refused(smollm2: Path) -> None:
    if lib.llama_supports_gpu_offload():
        pytest.skip("this llama.cpp has a GPU")
    with pytest.raises(ModelFileError, match=r"`engine\.gpu_layers` is 9, and this llama\.cpp"):
        load_weights(smollm2, 9)
    lib.llama_model_free(load_weights(smollm2, 0))
