"""What the engine tells of a request, which goes on to clients as it is."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_rt.core.decoding import CheckCost, ConstraintCost, Made, TokenLogprob

Ended = Literal["complete", "closed", "sentence", "cut"]
"""How an answer ended that had to fit: by itself; with its final answer, written last; behind a
sentence; or in the middle of one.
"""


class Timings(msgspec.Struct, frozen=True, array_like=True):
    """Where one answer's time went, in seconds, and what it processed, in tokens.

    All of it in this engine: what a lost engine did before is not counted.
    """

    queue_s: float
    prefill_s: float
    decode_s: float
    prompt_tokens: int
    cached_tokens: int  # of the prompt, taken from KV that was already there
    completion_tokens: int


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Request `id` left the queue and its prompt begins to be read."""

    id: int
    prompt_tokens: int
    cached_tokens: int
    restored_tokens: int = 0  # of the cached ones, those that came from the disk


class Delta(msgspec.Struct, frozen=True, array_like=True):
    """New text of answer `index` of request `id`.

    `text` may be empty while bytes of a character or a possible stop string are held back;
    `tokens` are the ids drawn since the last delta and may run ahead of the text. To those that a
    partner wrote the size of the model's vocabulary is added. `made` is what the whole answer comes
    to so far, where Finished is going to tell it. `logprobs` go with the text; those of the last
    tokens, whose text is still to come, are `withheld`. `seen` are the numbers that were judged by
    before these tokens were taken, of modes that judge; see Replay. Of an answer under a check they
    are the logarithms of the tokens' weights.
    """

    id: int
    index: int
    text: str
    tokens: list[int]
    logprobs: list[TokenLogprob] = []
    made: Made | None = None
    withheld: list[TokenLogprob] = []
    seen: list[float] = []


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Answer `index` of request `id` ended. reason: "stop" or "length".

    `made` is told of answers in a mode of more than one model or of drafts, `constraint` and
    `check` of answers under one. `ended` is told of those that have to fit, by the front.
    """

    id: int
    index: int
    reason: str
    timings: Timings
    stop: str | None = None  # the stop string that was hit
    made: Made | None = None
    constraint: ConstraintCost | None = None
    check: CheckCost | None = None
    ended: Ended | None = None


class Embedded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The vectors of request `id` in the order of its inputs: rows of `width` float32.

    `tokens` are those of each input as it was read, control tokens among them.
    """

    id: int
    width: int
    vectors: bytes
    tokens: list[int]
    timings: Timings


class Tokenized(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The tokens of a text, and the bytes of each: control tokens as prompts have them.

    None where they cannot be told; `message` says why. Of a prompt for a loaded model, `cached` of
    them are in KV at this moment.
    """

    nonce: int
    tokens: list[int] | None
    pieces: list[bytes] = []
    message: str = ""
    cached: int = 0
