"""What a request may say about decoding, and what decoding says back."""

from __future__ import annotations

import msgspec


class Sampling(msgspec.Struct, frozen=True, array_like=True):
    """How the next token is drawn from the logits.

    The order is: logit_bias, penalties, then (temperature 0: arg max) temperature, top_k,
    top_p, min_p, draw. `seed` None draws a fresh seed. `top_logprobs` None reports no
    log-probabilities, 0 reports only the chosen token's.
    """

    temperature: float = 1.0
    top_k: int = 0  # 0: off
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_last_n: int = 64  # window of repeat_penalty in tokens; -1: everything
    logit_bias: dict[int, float] = {}
    seed: int | None = None
    top_logprobs: int | None = None


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True):
    """One token with its natural-log probability and the most likely alternatives."""

    token: bytes
    logprob: float
    top: list[tuple[bytes, float]] = []
