"""What a request may say about decoding, and what decoding says back."""

from __future__ import annotations

from typing import Literal

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


ConstraintKind = Literal["json_object", "json_schema", "lark", "gbnf", "regex", "choice"]


class Constraint(msgspec.Struct, frozen=True, array_like=True):
    """What the text of an answer must be; tokens that would lead elsewhere are not drawn.

    - "json_object": any JSON object; `text` is empty.
    - "json_schema": JSON that is valid by the JSON Schema `text`. Unless `strict`, keywords that
      cannot be enforced are ignored.
    - "lark": by the grammar `text` in llguidance's dialect of Lark
      (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md). `<name>` is the special
      token of that name, which is then part of the text, too, and the plain text `<name>` for a
      model that has no such special token; of a name like `[CALL]` it is `<[CALL]>`.
    - "gbnf": by the grammar `text` in the GBNF of llama.cpp.
    - "regex": all of it by the regular expression `text`, in the syntax of Rust's crate regex.
    - "choice": one of the strings in the JSON array `text`.

    Errors about it name the field `param` of the request.
    """

    kind: ConstraintKind
    text: str = ""
    strict: bool = True
    param: str = "response_format"


class ConstraintCost(msgspec.Struct, frozen=True, array_like=True):
    """What a constraint took of one answer, and what it saved.

    `compile_s` seconds, 0 where it was compiled for an earlier answer, went to the grammar and
    `mask_s` to the tokens that may come next, most of them while the model computed. `forced`
    tokens were taken without a draw, since no others could come. For `wait_s` of that time nothing
    was done but to wait for masks.
    """

    compile_s: float
    mask_s: float
    forced: int
    wait_s: float = 0.0

    def plus(self, more: ConstraintCost) -> ConstraintCost:
        """Return the sum over two answers."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(more), strict=True)
        return ConstraintCost(*(one + two for one, two in pairs))


Verdict = Literal["dead", "viable", "complete", "final"]
"""On a text: that no answer begins like that, that one may, that it is one, and that it is one and
nothing may follow.
"""


class CheckerSpec(msgspec.Struct, frozen=True, array_like=True):
    """A program that tells which texts may be answers, as the configuration names and runs it.

    For one token it may take `timeout_s` seconds, and as much memory as `memory_bytes`.
    """

    name: str
    command: tuple[str, ...]
    timeout_s: float
    memory_bytes: int


class CheckCost(msgspec.Struct, frozen=True, array_like=True):
    """What a checker took of one answer, all in this engine.

    It judged `calls` texts in `trips` messages, and answered them in `seconds`.
    `log_weight` is the sum of the natural logarithms of the weights of all tokens, also those of
    earlier engines; see decoding.rejection. None: they were not drawn, but the likeliest ones.
    """

    calls: int
    trips: int
    seconds: float
    log_weight: float | None = None


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True):
    """One token with its natural-log probability and the most likely alternatives."""

    token: bytes
    logprob: float
    top: list[tuple[bytes, float]] = []


class Gating(msgspec.Struct, frozen=True, array_like=True):
    """How the entropy gate of two models is set.

    `threshold` is in bits; None: the default. With `share` it is moved until the large model
    writes that share of the tokens, 0 to 1. Entropies are means over `window` tokens.
    """

    threshold: float | None = None
    share: float | None = None
    window: int = 5


class Mode(msgspec.Struct, frozen=True, array_like=True):
    """How the tokens of an answer are decided on.

    - "single": one model by itself.
    - "switch": its smaller `partner` writes what it is sure of, as the entropy gate says.
    - "speculative": the partner and the text so far draft what the model itself would write.
    - "lookup": so do that text, earlier ones and the model's own heads, without a partner.

    `partner` is the engine's name of the smaller model, and `prompt` what that reads; None: the
    same. A draft has at most `drafts` tokens.
    """

    name: str = "single"
    partner: str | None = None
    prompt: str | list[int] | None = None
    gating: Gating | None = None
    drafts: int = 15

    @property
    def label(self) -> str:
        """As requests write it: "switch:entropy"."""
        return self.name if self.gating is None else f"{self.name}:entropy"


class Made(msgspec.Struct, frozen=True, array_like=True):
    """How many tokens of an answer each model wrote, and how many more were read or drafted.

    `small` and `large` add up to the answer; drafts that were accepted as they stood count as the
    small model's where a gate accepted them, and as the large one's where it would have written
    the same. `catch_up` were written by one model and read by the other. `threshold` is what the
    gate came to hold its measure against.
    """

    small: int = 0
    large: int = 0
    switches: int = 0
    catch_up: int = 0
    accepted: int = 0
    rejected: int = 0
    threshold: float | None = None

    def named(self) -> dict[str, int]:
        """Return the counts by the names that clients and the ledger use."""
        return {
            "small_tokens": self.small,
            "large_tokens": self.large,
            "switches": self.switches,
            "catch_up_tokens": self.catch_up,
            "accepted_tokens": self.accepted,
            "rejected_tokens": self.rejected,
        }

    @property
    def gated(self) -> dict[str, float]:
        """What a gate came to, by the names that clients use; empty where there was none."""
        if self.threshold is None:
            return {}
        share = self.large / max(1, self.large + self.small)
        return {"large_share": round(share, 4), "threshold": round(self.threshold, 4)}

    def plus(self, more: Made) -> Made:
        """Return the sum over two answers, with the threshold of the later one."""
        pairs = zip(msgspec.structs.astuple(self)[:-1], msgspec.structs.astuple(more), strict=False)
        return Made(*(one + two for one, two in pairs), threshold=more.threshold)
