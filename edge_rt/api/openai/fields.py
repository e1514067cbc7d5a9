"""The request fields that chat and completions share, and what they mean for decoding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from edge_rt.api.allowance import Terms
from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.constraint import ResponseFormat, constraint_of
from edge_rt.core.cached import digest
from edge_rt.core.decoding import Constraint, Sampling
from edge_rt.core.errors import RequestError, invalid
from edge_rt.core.requests import Identity
from edge_rt.generation.samples.terms import SamplesTerms

FieldsT = TypeVar("FieldsT", bound="GenerationFields")
MAX_TEXTS = 2048  # of one request; OpenAI's

Text = str | list[int]
"""A text, or the token ids that it was cut into."""

_FORMAT = 2  # of keys, and of what is kept under them

_SPELT_OUT = {  # fields that the key holds with their defaults, or that change no answer
    *("model", "edge", "stream", "stream_options"),
    *("max_tokens", "max_completion_tokens", "n", "stop", "ignore_eos"),
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed"),
    *("top_k", "min_p", "repeat_penalty", "repetition_penalty", "repeat_last_n"),
    *("logprobs", "top_logprobs"),
}


def separate(given: str | list[str | int | list[int]], name: str) -> list[Text]:
    """Return the texts of the field `name`; RequestError for too many, or ids beside texts."""
    if isinstance(given, str):
        return [given]
    if all(isinstance(item, int) for item in given):
        return [cast("list[int]", given)]
    texts = [item for item in given if not isinstance(item, int)]
    if len(texts) != len(given):
        what = "expected token ids, or texts of which each is a string or an array of token ids"
        raise invalid(name, f"{what}, got a mix")
    if len(texts) > MAX_TEXTS:
        raise invalid(name, f"expected at most {MAX_TEXTS} {name}s, got {len(texts)}")
    return [*texts]


Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Repetition = Annotated[float, Meta(ge=0.01, le=100)]
Share = Annotated[float, Meta(ge=0, le=1)]
StopString = Annotated[str, Meta(min_length=1, max_length=1024)]
TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a stream, whether its last chunk tells the usage."""

    include_usage: bool | None = None
    """Whether the last event has the usage."""
    include_obfuscation: bool | None = None
    """Changes nothing: no event is padded."""
    continuous_usage_stats: bool | None = None
    """Changes nothing: only the last event has the usage."""
    chunk_include_usage: bool | None = None
    """Changes nothing: the same under Volcengine's name."""
    reasoning_summary_delivery: str | None = None
    """Changes nothing: thoughts come as they are made."""


_ADAPTER = r"^[a-z0-9][a-z0-9._-]{0,95}\Z"


class AdapterChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An adapter of the store, as llama-server takes it."""

    id: Annotated[str, Meta(pattern=_ADAPTER)] | Annotated[int, Meta(ge=0)]
    """Its id, or its number among the store's adapters, sorted by id."""
    scale: Annotated[float, Meta(ge=-100, le=100)] = 1.0
    """How much of it: 0 is none."""


class GenerationFields(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """OpenAI's fields, then those that users of llama-server and vLLM send, and our own.

    A field that is null is a field left out.
    """

    model: str | None = None
    """Id of a model, `default` or `auto`; with `@` a variant of it. Default: `default`."""
    lora: Annotated[list[AdapterChoice], Meta(max_length=8)] | None = None
    """Adapters that the model answers with; `model: BASE+ADAPTER` says the same."""
    max_tokens: Count | None = None
    """Most tokens of an answer."""
    n: Annotated[int, Meta(ge=1)] | None = None
    """Number of answers, at most `requests.max_n`. Default: 1."""
    stream: bool | None = None
    """Whether the answer comes as events."""
    stream_options: StreamOptions | None = None
    """Options of a stream."""
    stop: StopString | Annotated[list[StopString], Meta(max_length=16)] | None = None
    """Texts at which an answer ends."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """0: always the likeliest token. Default: the model's own."""
    top_p: Share | None = None
    """Choose among the likeliest tokens with this probability together."""
    presence_penalty: Penalty | None = None
    """Penalty for tokens that the answer has already."""
    frequency_penalty: Penalty | None = None
    """The same for each time that it has them."""
    logit_bias: dict[str, float] | None = None
    """What is added to the logits of tokens, by their ids."""
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    """The same seed gives the same answer, for weights that allow it; -1: a new seed each time."""
    response_format: ResponseFormat | None = None
    """Kind of the answer: any text, JSON, or JSON by a schema."""

    json_schema: dict[str, Any] | None = None
    """JSON Schema of the answer, as llama-server takes it; `response_format` can say it, too."""
    grammar: str | None = None
    """Grammar of the answer, in llguidance's dialect of Lark or in llama.cpp's GBNF."""
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    """Choose among so many of the likeliest tokens; -1 and 0: among all."""
    min_p: Share | None = None
    """Choose among tokens with at least this share of the likeliest one's probability."""
    repeat_penalty: Repetition | None = None
    """Factor that makes repeated tokens less likely."""
    repetition_penalty: Repetition | None = None
    """The same under vLLM's name."""
    repeat_last_n: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    """How many of the last tokens count for `repeat_penalty`; -1: all."""
    ignore_eos: bool | None = None
    """Whether an answer goes on after the model has ended it."""

    edge: Terms | None = None
    """What the answer may take and how it is made."""

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def with_adapters(self: FieldsT) -> FieldsT:
        """Return the request with its adapters in the name of the model."""
        if not self.lora:
            return self
        model, at, pin = (self.model or "default").partition("@")
        names = "".join(f"+{one.id}={one.scale:g}" for one in self.lora)
        return replace(self, model=f"{model}{names}{at}{pin}", lora=None)

    @property
    def most_tokens(self) -> int | None:
        """The most tokens of an answer; None: as many as come."""
        return self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """How many alternatives come with each token; None: no log-probabilities at all."""
        return None

    @property
    def constrained(self) -> bool:
        """Whether the answer may come under a constraint; raises RequestError."""
        return self.constraint is not None

    @property
    def stops(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def checked(self) -> bool:
        """Whether a program judges the answers."""
        return self.edge is not None and self.edge.check is not None

    @property
    def samples(self) -> SamplesTerms | None:
        """The samples of which answers are chosen; None: each answer is made once."""
        return None if self.edge is None else self.edge.samples

    def check(self) -> None:
        """Raise RequestError for what types cannot tell."""
        _ = self.constraint
        if self.edge is not None and self.edge.samples is not None:
            check_samples(self.edge, self.n)
        if self.edge is not None and self.edge.fit and self.samples is not None:
            message = "`edge.fit` cannot go with several samples of an answer: leave out one."
            raise RequestError(message, param="edge.fit", code="invalid_value")

    @cached_property
    def constraint(self) -> Constraint | None:
        """Return what the text of the answers must be; None: anything. Raises RequestError."""
        terms = self.edge or Terms()
        return constraint_of(self.response_format, self.json_schema, self.grammar, terms)


def check_samples(terms: Terms, n: int | None) -> None:
    """Raise RequestError for samples that cannot go with the rest of a request."""
    samples, at = terms.samples, "edge.samples"
    assert samples is not None
    if (n or 1) > 1:
        raise invalid("n", f"expected 1 with `{at}`, of which one goes out, got {n}")
    if terms.cache not in (None, "off"):
        message = f"`edge.cache` cannot go with `{at}`: such answers are not kept."
        raise RequestError(message, param="edge.cache", code="invalid_value")
    if samples.agree is not None and samples.vote is None:
        raise invalid(f"{at}.agree", "it counts votes, and there is no `vote`")
    if samples.agree is not None and samples.agree > samples.most:
        raise invalid(f"{at}.agree", f"expected at most {samples.most}, got {samples.agree}")


def answers(fields: GenerationFields, limit: int) -> int:
    """Return how many answers are wanted; raises RequestError above `limit`."""
    count = fields.n or 1
    if count > limit:
        raise invalid("n", f"expected integer <= {limit}, got {count}")
    samples = fields.samples
    if samples is not None and samples.larger is not None and samples.larger.most > limit:
        what = f"expected integer <= {limit}, got {samples.larger.most}"
        raise invalid("edge.samples.larger.most", what)
    if samples is not None and samples.most > limit:
        at = (
            "best_of" if fields.edge is None or fields.edge.samples is None else "edge.samples.most"
        )
        raise invalid(at, f"expected integer <= {limit}, got {samples.most}")
    return count


def sampling(fields: GenerationFields, base: Sampling) -> Sampling:
    """Return `base` with what the request says put over it."""
    given: dict[str, object] = {
        "temperature": fields.temperature,
        "top_k": None if fields.top_k is None else max(fields.top_k, 0),
        "top_p": fields.top_p,
        "min_p": fields.min_p,
        "repeat_penalty": fields.repeat_penalty or fields.repetition_penalty,
        "presence_penalty": fields.presence_penalty,
        "frequency_penalty": fields.frequency_penalty,
        "penalty_last_n": fields.repeat_last_n,
        "logit_bias": None if fields.logit_bias is None else _logit_bias(fields.logit_bias),
        # -1 means a fresh seed, as in llama-server and vLLM. Others below 0 are counted from the
        # top, for generators want them unsigned.
        "seed": None if fields.seed is None or fields.seed == -1 else fields.seed % 2**64,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(base, **said, top_logprobs=fields.alternatives)


def _logit_bias(bias: dict[str, float]) -> dict[int, float]:
    for key, value in bias.items():
        if not (key.isascii() and key.isdigit() and len(key) <= 10):
            raise invalid("logit_bias", f"expected token ids as keys, got {describe(key)}")
        if not -100 <= value <= 100:
            what = f"expected numbers from -100 to 100, got {value} for token {key}"
            raise invalid("logit_bias", what)
    return {int(key): value for key, value in bias.items()}


def same_each_time(models: Sequence[Identity], hows: Sequence[Sampling]) -> bool:
    """Return whether only one answer is possible, whichever model samples it as in `hows`.

    That is the likeliest one, or that of a seed where it is always the same.
    """
    pairs = zip(models, hows, strict=True)
    return all(how.temperature == 0 or (how.seed is not None and one.repeats) for one, how in pairs)


def question(
    request: GenerationFields,
    *,
    endpoint: str,
    models: Sequence[bytes],
    hows: Sequence[Sampling],
    prompts: Sequence[str],
    client: str | None,
) -> bytes | None:
    """Return the key of a request; None where it holds what cannot be told apart.

    `models` are the digests of those that may answer, and `hows` how each would sample; which of
    them does is not asked, for that changes from moment to moment. `prompts` are those that depend
    on more than all this, `client` is whose answer it has to be, None: anybody's. Fields of which
    nothing is said here count as they are, so that a new one is part of the key.
    """
    terms = replace(request.edge or Terms(), cache=None, trace=False, pin=False)
    said = {name: None for name in request.__struct_fields__ if name in _SPELT_OUT}
    asked = request.most_tokens, request.n or 1, request.stops, bool(request.ignore_eos)
    others = replace(request, **said)
    try:
        return digest(_FORMAT, endpoint, models, hows, prompts, client, asked, terms, others)
    except (OverflowError, RecursionError, UnicodeEncodeError):  # of JSON that no prompt needs
        return None
