"""The grammars of one model: compiled once, and the ones used last kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple, Protocol

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from edge_rt.core.errors import EngineError, RequestError
from edge_rt.decoding.constraints.compiling import compiled, named_tokens
from edge_rt.decoding.constraints.matcher import Grammar, Matcher, TokenMasks
from edge_rt.decoding.params import Constraint

_SPECIAL = b"\xff"  # begins the name of a special token in llguidance's tables; no UTF-8 has it


class Vocabulary(Protocol):
    """The part of a backend that grammars need; see backends.base.Backend."""

    vocab: int

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def mark(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


class _Tokens:
    """The tokens of a vocabulary by id, as llguidance.TokenizerWrapper takes them.

    A special token stands for nothing in a text; it has its name. `ends` are those that end an
    answer, the lowest id first.
    """

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, ids = vocabulary, range(vocabulary.vocab)
        pieces = [vocabulary.piece(token) for token in ids]
        self.names = {token: vocabulary.mark(token) for token in ids if not pieces[token]}
        self.ends = [token for token in ids if vocabulary.ends(token)]
        self.tokens = [pieces[token] or _SPECIAL + self.names[token] for token in ids]
        self.special_token_ids = list(self.names)
        # llguidance must be given a token that ends a text: without one, an id beyond all tokens.
        self.eos_token_id = self.ends[0] if self.ends else len(pieces)

    def __call__(self, text: str) -> Sequence[int]:
        return self._vocabulary.tokenize(text, special=False, begins=False)


KEPT = 32  # grammars, up to some megabytes each


class _Tools(NamedTuple):
    tokenizer: LLTokenizer
    names: dict[str, int]  # of special tokens
    marks: dict[int, bytes]  # how these are written
    masks: TokenMasks


class Grammars:
    """Compiles constraints for one vocabulary; may be used by several threads."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._thread = ThreadPoolExecutor(1, "masks")
        self._kept: dict[Constraint, Matcher | RequestError] = {}  # the one used last is last
        self._tools: _Tools | None = None
        self._making = Lock()
        self._closed = False

    def compile(self, constraint: Constraint) -> None:
        """Make the next `matcher` quick; RequestError where `constraint` cannot be enforced.

        The first of a model takes a second, others of no known constraint milliseconds.
        """
        self._beginning(constraint)

    def matcher(self, constraint: Constraint) -> Matcher:
        """The beginning of what `constraint` allows; RequestError where it cannot be enforced.

        The first for a constraint has the time that it took to compile.
        """
        return self._beginning(constraint).fork()

    def _beginning(self, constraint: Constraint) -> Matcher:
        kept = self._kept.pop(constraint, None) or self._tried(constraint)
        if isinstance(kept, Matcher) and kept.broken:  # answers share the lexer, and its limits
            kept = self._tried(constraint)
        self._kept[constraint] = kept
        if len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        if isinstance(kept, RequestError):
            raise RequestError(str(kept), param=kept.param, code=kept.code)
        return kept

    def close(self) -> None:
        """Wait for the present compilation and mask; the vocabulary is not asked again."""
        with self._making:
            self._closed = True
        self._thread.shutdown()

    def _tried(self, constraint: Constraint) -> Matcher | RequestError:
        try:
            return self._made(constraint)
        except RequestError as error:
            return error

    def _made(self, constraint: Constraint) -> Matcher:
        with self._making:
            if self._closed:
                raise EngineError("the model was unloaded")
            begin = time.perf_counter()
            self._tools = tools = self._tools or _tools(self._vocabulary)
            native = compiled(constraint, tools.tokenizer, tools.names)
            spent_s = time.perf_counter() - begin
        named = named_tokens(constraint.text, tools.names) if constraint.kind == "lark" else []
        spelt = {token: tools.marks[token] for token in named}
        return Matcher(Grammar(native, tools.masks, self._thread, constraint.param, spelt), spent_s)


def _tools(vocabulary: Vocabulary) -> _Tools:
    """Build the prefix tree of the vocabulary, which takes about a second."""
    tokens = _Tokens(vocabulary)
    tokenizer = LLTokenizer(TokenizerWrapper(tokens))
    anything = LLMatcher(tokenizer, LLMatcher.grammar_from_regex("(?s:.*)"), log_level=0)
    masks = TokenMasks(vocabulary.vocab, tokens.ends, anything.compute_bitmask())
    names = {name.decode(errors="replace"): id for id, name in tokens.names.items() if name}
    return _Tools(tokenizer, names, tokens.names, masks)
