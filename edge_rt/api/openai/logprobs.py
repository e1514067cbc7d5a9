"""Log-probabilities in the shape of each dialect.

A token need not be whole characters. Where it is not, its text is its bytes spelt as escapes, as
OpenAI does it, so that no two tokens look the same.
"""

from __future__ import annotations

import codecs

import msgspec

from edge_rt.decoding.params import TokenLogprob

_FLOOR = -9999.0  # stands for minus infinity, which JSON cannot say


class TopLogprob(msgspec.Struct, frozen=True):
    """One likely token at a position of a chat answer."""

    token: str
    logprob: float
    bytes: list[int]


class ChatTokenLogprob(msgspec.Struct, frozen=True):
    """The token at a position of a chat answer, and the likeliest ones there."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """`logprobs` of a chat choice."""

    content: list[ChatTokenLogprob]
    refusal: None = None


class TextLogprobs(msgspec.Struct, frozen=True):
    """`logprobs` of a completions choice: parallel lists, one entry a token."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class Offsets:
    """Where each token of one completion begins in its text, in characters."""

    def __init__(self, start: int = 0) -> None:
        self._at = start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def advance(self, token: bytes) -> int:
        """The offset of `token`, which comes next."""
        start = self._at
        self._at += len(self._decoder.decode(token))
        return start


def chat_logprobs(tokens: list[TokenLogprob]) -> ChatLogprobs:
    """OpenAI's chat shape."""
    return ChatLogprobs([_chat_token(token) for token in tokens])


def text_logprobs(tokens: list[TokenLogprob], offsets: Offsets) -> TextLogprobs:
    """OpenAI's completions shape; every `top_logprobs` also holds the token drawn."""
    return TextLogprobs(
        tokens=[_spell(token.token, "bytes:") for token in tokens],
        token_logprobs=[_finite(token.logprob) for token in tokens],
        top_logprobs=[_top(token) for token in tokens],
        text_offset=[offsets.advance(token.token) for token in tokens],
    )


def _chat_token(token: TokenLogprob) -> ChatTokenLogprob:
    top = [TopLogprob(_spell(t), _finite(p), list(t)) for t, p in token.top]
    text = _spell(token.token)
    return ChatTokenLogprob(text, _finite(token.logprob), list(token.token), top)


def _top(token: TokenLogprob) -> dict[str, float]:
    both = [*token.top, (token.token, token.logprob)]
    return {_spell(t, "bytes:"): _finite(p) for t, p in both}


def _spell(token: bytes, prefix: str = "") -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return prefix + "".join(f"\\x{byte:02x}" for byte in token)


def _finite(logprob: float) -> float:
    return logprob if logprob > _FLOOR else _FLOOR  # also for NaN
