"""Chat templates of the models of recorded outputs, most of them as llama.cpp keeps them.

These come with the source archive that tools/bootstrap compiles, which pip checks by its hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from bootstrap.ensure import turn
from bootstrap.kept import kept
from bootstrap.llama_wheel import REQUIREMENT
from wheelslib.build import archive

from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.templates.chat_template import ChatTemplate
from edge_rt.models.templates.worker import analyse, read_families

_INSIDE = "/vendor/llama.cpp/models/templates/"
_DEEPSEEK_END = "<\uff5cend▁of▁sentence\uff5c>"
# https://huggingface.co/deepseek-ai/DeepSeek-V4.1-Flash/tree/main/encoding
_V41 = (
    ("tool_calls>", " calls>"),
    ("invoke", " invoke"),
    ("parameter name", " parameter name"),
    ("parameter>", " parameter>"),
)
# https://huggingface.co/mistralai/Magistral-Small-2506: its system prompt tells of these markers.
_THINKING = (("{{- bos_token }}", "{{- bos_token }}{# <think> </think> #}"),)
_NEMO = "mistralai-Mistral-Nemo-Instruct-2407"
_MINISTRAL = "mistralai-Ministral-3-14B-Reasoning-2512"
LLAMA_4 = "llama-4"  # beside this; calls as in
# https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/


class Known(NamedTuple):
    """A model's template by its file, with the token that ends an answer.

    `changes` are texts for others, which make it that of another version, by its published grammar.
    """

    file: str
    end: str
    changes: tuple[tuple[str, str], ...] = ()


KNOWN = {
    "deepseek-ai/DeepSeek-V3-0324": Known("llama-cpp-deepseek-r1", _DEEPSEEK_END),
    "deepseek-ai/DeepSeek-V3.1": Known("deepseek-ai-DeepSeek-V3.1", _DEEPSEEK_END),
    "deepseek-ai/DeepSeek-V3.2": Known("deepseek-ai-DeepSeek-V3.2", _DEEPSEEK_END),
    "deepseek-ai/DeepSeek-V4-": Known("deepseek-ai-DeepSeek-V4", _DEEPSEEK_END),
    "deepseek-ai/DeepSeek-V4.1": Known("deepseek-ai-DeepSeek-V4", _DEEPSEEK_END, _V41),
    "google/gemma-4": Known("google-gemma-4-31B-it", "<turn|>"),
    "zai-org/GLM-4.5": Known("GLM-4.6", "<|endoftext|>"),
    "zai-org/GLM": Known("GLM-4.7-Flash", "<|endoftext|>"),
    "openai/gpt-oss": Known("openai-gpt-oss-120b", "<|return|>"),
    "moonshotai/Kimi-K2-Instruct": Known("Kimi-K2-Instruct", "<|im_end|>"),
    "moonshotai/Kimi-K2": Known("Kimi-K2-Thinking", "<|im_end|>"),
    "moonshotai/Kimi-K3": Known("Kimi-K3", "<|end_of_msg|>"),
    "meta-llama/Llama-3": Known("meta-llama-Llama-3.3-70B-Instruct", "<|eot_id|>"),
    "meta-llama/Llama-4": Known(LLAMA_4, "<|eot|>"),
    "mistralai/Devstral-Small-2507": Known("unsloth-mistral-Devstral-Small-2507", "</s>"),
    "mistralai/Magistral-Small-2506": Known(_NEMO, "</s>", _THINKING),
    "mistralai/Mistral-7B": Known(_NEMO, "</s>"),
    "mistralai/Mistral-Small-3.2": Known("Mistral-Small-3.2-24B-Instruct-2506", "</s>"),
    "mistralai/": Known(_MINISTRAL, "</s>"),
    "Qwen/Qwen3-Coder": Known("Qwen3-Coder", "<|im_end|>"),
    "Qwen/Qwen3-": Known("Qwen-Qwen3-0.6B", "<|im_end|>"),
    "Qwen/": Known("Qwen3.5-4B", "<|im_end|>"),
}


def fetched(cache: Path) -> Path:
    """Return the folder of llama.cpp's templates below `cache`, which is made once.

    Raises SetupError where pip cannot get the archive.
    """
    pinned = hashlib.sha256(REQUIREMENT.read_bytes()).hexdigest()[:16]
    source = cache / "portable"
    source.mkdir(exist_ok=True)

    def unpack(scratch: Path) -> Path:
        log = cache / "logs/templates.log"
        log.unlink(missing_ok=True)
        return _unpack(archive(source, log, Path(sys.executable)), scratch / "files")

    with turn(source / "lock"):
        return kept(cache / "templates" / pinned, "Reading llama.cpp's templates", unpack)


def _unpack(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    with tarfile.open(archive) as files:
        for member in files:
            if _INSIDE in member.name and member.name.endswith(".jinja"):
                content = files.extractfile(member)
                assert content is not None
                with contextlib.closing(content):
                    Path(folder, Path(member.name).name).write_bytes(content.read())
    return folder


class Formats:
    """The formats of models, learnt from their templates when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        """`folder` has llama.cpp's templates."""
        self._folder, self._families = folder, read_families()
        self._found: dict[str, ChatFormat] = {}

    def of(self, model: str) -> ChatFormat:
        """Return the format of a model whose name begins with one of KNOWN; raises KeyError."""
        name = max((name for name in KNOWN if model.startswith(name)), key=len, default=model)
        if name not in self._found:
            self._found[name] = self._learnt(KNOWN[name])
        return self._found[name]

    def _learnt(self, known: Known) -> ChatFormat:
        source = self.source(known.file)
        for text, other in known.changes:
            source = source.replace(text, other)
        return self.learn(source, known.end)

    def names(self) -> list[str]:
        """Return the names of all templates."""
        return [LLAMA_4, *sorted(path.stem for path in self._folder.glob("*.jinja"))]

    def source(self, file: str) -> str:
        """Return the template of that name."""
        folder = Path(__file__).parent if file == LLAMA_4 else self._folder
        return Path(folder, f"{file}.jinja").read_text()

    def learn(self, source: str, end: str, tokens: tuple[str, ...] = ()) -> ChatFormat:
        """Return the format of a template of a model with these control tokens."""
        return analyse(ChatTemplate(source, "<s>", end), source, tokens, self._families)
