"""What decides on an answer's bytes, as a key of the cache."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from edge_rt.api.allowance import Terms
from edge_rt.api.openai.fields import GenerationFields
from edge_rt.core.cached import digest
from edge_rt.core.requests import Identity
from edge_rt.decoding.params import Sampling

_FORMAT = 1  # of keys, and of what is kept under them

_SPELT_OUT = {  # fields that the key holds with their defaults, or that change no answer
    *("model", "edge", "stream", "stream_options"),
    *("max_tokens", "max_completion_tokens", "n", "stop", "ignore_eos"),
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed"),
    *("top_k", "min_p", "repeat_penalty", "repetition_penalty", "repeat_last_n"),
    *("logprobs", "top_logprobs"),
}


def same_each_time(models: Sequence[Identity], hows: Sequence[Sampling]) -> bool:
    """Whether the engine gives one answer only, whichever model answers, each sampled as in `hows`.

    That is the likeliest one, or that of a seed where it is always the same.
    """
    pairs = zip(models, hows, strict=True)
    return all(how.temperature == 0 or (how.seed is not None and one.repeats) for one, how in pairs)


def question(
    request: GenerationFields,
    *,
    endpoint: str,
    max_tokens: int | None,
    models: Sequence[bytes],
    hows: Sequence[Sampling],
    prompts: Sequence[str],
    client: str | None,
) -> bytes | None:
    """The key of a request; None where it holds what cannot be told apart.

    `models` are the digests of those that may answer, and `hows` how each would sample; which of
    them does is not asked, for that changes from moment to moment. `prompts` are those that depend
    on more than all this, `client` is whose answer it has to be, None: anybody's. Fields of which
    nothing is said here count as they are, so that a new one is part of the key.
    """
    terms = replace(request.edge or Terms(), cache=None, trace=False)
    said = {name: None for name in request.__struct_fields__ if name in _SPELT_OUT}
    asked = max_tokens, request.n or 1, request.stops, bool(request.ignore_eos)
    others = replace(request, **said)
    try:
        return digest(_FORMAT, endpoint, models, hows, prompts, client, asked, terms, others)
    except (OverflowError, RecursionError, UnicodeEncodeError):  # of JSON that no prompt needs
        return None
