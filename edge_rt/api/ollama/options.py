"""The field `options` of requests of Ollama: options are honoured, refused, or told of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.fields import Penalty, Repetition, Share, StopString
from edge_rt.api.openai.unsupported import unknown_and_ignored, unsupported
from edge_rt.core.errors import invalid

_Last = (
    Annotated[int, Meta(ge=-1, le=2**31 - 1)]
    | Annotated[float, Meta(ge=-1, le=2**31 - 1, multiple_of=1)]
)
_Seed = (
    Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[float, Meta(ge=-(2**53), le=2**53, multiple_of=1)]
)
_Most = (
    Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
    | Annotated[float, Meta(ge=-(2**31), le=2**31 - 1, multiple_of=1)]
)
_Room = (
    Annotated[int, Meta(ge=0, le=2**31 - 1)]
    | Annotated[float, Meta(ge=0, le=2**31 - 1, multiple_of=1)]
)
# Whole numbers, which some clients, such as Home Assistant, write as 8192.0.

_SAMPLED = (
    *("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n"),
    *("presence_penalty", "frequency_penalty", "seed", "stop"),
)
_WHOLE = "top_k", "repeat_last_n", "seed"
_OFF: dict[str, float] = {"mirostat": 0, "tfs_z": 1, "typical_p": 1}
_LOADING = frozenset(
    (
        *("num_gpu", "main_gpu", "num_thread", "num_batch", "low_vram", "f16_kv", "numa"),
        *("use_mmap", "use_mlock", "vocab_only", "logits_all", "embedding_only"),
        *("rope_frequency_base", "rope_frequency_scale", "num_gqa"),
    )
)
"""How a model is loaded, which the configuration says."""
_VOID = frozenset(("num_keep", "mirostat_eta", "mirostat_tau"))
"""Change nothing here: a prompt is never cut, and mirostat is refused."""

_DURATION = re.compile(
    r"-?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?)(ns|us|µs|ms|s|m|h))*"
)

KEPT = "keep_alive: not honoured, models.idle_unload_s says how long a model stays in memory."


class OllamaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer is sampled, and the options that clients send although a daemon decides."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """0: always the likeliest token. Default: the model's own."""
    top_k: _Last | None = None
    """Choose among so many of the likeliest tokens; -1 and 0: among all."""
    top_p: Share | None = None
    """Choose among the likeliest tokens with this probability together."""
    min_p: Share | None = None
    """Choose among tokens with at least this share of the likeliest one's probability."""
    repeat_penalty: Repetition | None = None
    """Factor that makes repeated tokens less likely."""
    repeat_last_n: _Last | None = None
    """How many of the last tokens count for `repeat_penalty`; -1: all."""
    presence_penalty: Penalty | None = None
    """Penalty for tokens that the answer has already."""
    frequency_penalty: Penalty | None = None
    """The same for each time that it has them."""
    seed: _Seed | None = None
    """The same seed gives the same answer, for weights that allow it; -1: a new seed each time."""
    stop: StopString | Annotated[list[StopString], Meta(max_length=16)] | None = None
    """Texts at which an answer ends."""
    num_predict: _Most | None = None
    """Most tokens of an answer; below 1: as many as come."""
    num_ctx: _Room | None = None
    """Tokens of prompt and answer for which there must be room; a warning tells where there is
    less."""

    mirostat: int | None = None
    """Refused unless 0, as the next two are unless 1."""
    tfs_z: float | None = None
    typical_p: float | None = None

    @property
    def most_tokens(self) -> int | None:
        """The most tokens of an answer; None: as many as come."""
        return int(self.num_predict) if self.num_predict and self.num_predict > 0 else None

    @property
    def sampling(self) -> dict[str, Any]:
        """Fields of a request for generation, which have the same names."""
        given = {name: getattr(self, name) for name in _SAMPLED}
        whole = {name: int(given[name]) for name in _WHOLE if given[name] is not None}
        return given | whole


def check_options(options: OllamaOptions) -> None:
    """Raise RequestError for an option that would change the answer and cannot be honoured."""
    for name, off in _OFF.items():
        value = getattr(options, name)
        if value not in (None, off):
            message = f"`options.{name}` is not supported: leave it out, or send {off:g}."
            raise unsupported(f"options.{name}", message)


def notes(given: dict[str, Any] | None, context: int | None) -> Iterator[str]:
    """Return what of the options is not honoured, for a model with room for `context` tokens.

    Raises RequestError for a `num_ctx` that is no number.
    """
    said = {name: value for name, value in (given or {}).items() if value is not None}
    loading = [name for name in said if name in _LOADING]
    if loading:
        named = ", ".join(f"options.{name}" for name in loading)
        yield f"{named}: not honoured, the daemon decides how models are loaded."
    known = _LOADING.union(_VOID, OllamaOptions.__struct_fields__)
    for name in [name for name in said if name not in known][:8]:
        yield unknown_and_ignored("options", name, OllamaOptions.__struct_fields__)
    wanted = said.get("num_ctx", 0)
    if not isinstance(wanted, (int, float)):
        raise invalid("options.num_ctx", f"expected a number, got {describe(wanted)}")
    if context is not None and wanted > context:
        yield (
            f"options.num_ctx: {int(wanted)} tokens are wanted, there is room for {context} "
            "(engine.context); a prompt that does not fit is an error."
        )


KeepAlive = int | float | str


def check_keep_alive(keep_alive: KeepAlive | None) -> bool:
    """Return whether the model is to leave memory at once; raises RequestError for no duration."""
    if isinstance(keep_alive, str) and keep_alive:
        number = re.fullmatch(r"-?\d+(\.\d*)?", keep_alive)
        if number is None and not _DURATION.fullmatch(keep_alive):
            what = f'expected seconds or a duration as "5m", got {keep_alive!r:.60}'
            raise invalid("keep_alive", what)
        return not re.search("[1-9]", keep_alive)
    return keep_alive == 0
