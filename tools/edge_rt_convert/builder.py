"""onnxruntime-genai's model builder, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_rt.cli.text import note
from edge_rt_convert import ConvertError

_PACKAGES = (
    "onnxruntime-genai==0.18.0",
    "transformers~=5.24",
    "torch~=2.13",
    "onnx~=1.23",
    "onnx-ir~=1.1",
)
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}
PRECISIONS = {None: "fp32", 8: "int8", 4: "int4"}  # by bits


class Builder:
    """The environment below `cache`; made when it is first needed, which fetches torch."""

    def __init__(self, cache: Path) -> None:
        name = _PACKAGES[0].replace("==", "-")
        self.home = cache / f"convert/{name}-py{sys.version_info[0]}.{sys.version_info[1]}"
        self._log = cache / "logs/convert-builder.log"

    def build(self, source: Path, target: Path, bits: int | None) -> None:
        """The model of the folder `source` into `target`; nothing is fetched for it."""
        options = ["accuracy_level=4", "block_size=32", "algo_config=k_quant", "hf_remote=false"]
        paths = ["-i", str(source), "-o", str(target), "-c", str(target / "cache")]
        kind = ["-m", source.name, "-p", PRECISIONS[bits], "-e", "cpu"]
        module = ["-m", "onnxruntime_genai.models.builder"]
        extra = ["--extra_options", *(options if bits else options[-1:])]
        self.run([*module, *paths, *kind, *extra], "Building the model")

    def run(self, words: Sequence[str], title: str) -> None:
        """Run the environment's Python with `words`; raises ConvertError with its last words."""
        self._call([str(self._python()), *words], title, os.environ | _OFFLINE)

    def _python(self) -> Path:
        python, ready = self.home / "bin/python", self.home / "ready"
        if not ready.exists():
            title = "Fetching the model builder and torch"
            self._call([sys.executable, "-m", "venv", "--clear", str(self.home)], title)
            self._call([str(python), "-m", "pip", "install", *_PACKAGES], title)
            ready.touch()
        return python

    def _call(self, argv: Sequence[str], title: str, env: Mapping[str, str] | None = None) -> None:
        note(f"{title} …")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(argv, env=env, text=True, capture_output=True, check=False)
        self._log.write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            last = lines[-1] if lines else "no reason given"
            raise ConvertError(f"{title} failed: {last}; the whole output is in {self._log}")
