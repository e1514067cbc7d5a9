"""Two toy models in one engine, and a front that hears what answers they make together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from heard import Listener

from edge_rt.core.decoding import Gating, Mode
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.protocol import EngineWork, Generate, ModelOrigin, ModelSpec, SetLimits
from edge_rt.engine.scheduler.runner import EngineCounters
from edge_rt.engine.worker.model_registry import ModelRegistry

SWITCH = Mode("switch", "small", gating=Gating(3.0))
SPECULATIVE = Mode("speculative", "small")
LETTERS = [b" ", b"\n", b"\xc3", b"\xa9", b"\xef\xbf\xbd", *(bytes([c]) for c in b"abcdefgh")]
LARGE_PIECES = [b"", b"", *LETTERS, b"ab", b" a", b"cd", b"\n\n", b"h "]
SMALL_PIECES = [b"", b"", *reversed(LETTERS), b"bc", b" ab", b" cde", b"e\n", "é".encode()]


def written_of(answer: Generation) -> list[tuple[Any, int]]:
    """Every token of an answer, and the sequence that wrote it."""
    return [answer.provenance.author(told) for told in answer.provenance.tokens]


class Duo(Listener):
    """A roster of "toy", the large model, and "small"."""

    def __init__(
        self, large: Any, small: Any, chunk: int = 16, checkpoints: Checkpoints | None = None
    ) -> None:
        super().__init__()
        self.tally = EngineCounters()
        told = self.hear, self.tally, self.clock
        self.roster = ModelRegistry(SetLimits(1), *told, checkpoints=checkpoints)
        self.backends = {"toy": large, "small": small}
        self.spent: dict[int, float] = defaultdict(float)
        for name, backend in self.backends.items():
            sizes = backend.context, backend.sequences, backend.batch.capacity, chunk
            self.roster.add(
                name, backend, ModelSpec("toy", "", *sizes, origin=ModelOrigin(name, name))
            )

    def worked(self, work: EngineWork) -> None:
        super().worked(work)
        for share in work.shares:
            self.spent[share.id] += share.prefill_s + share.decode_s

    def submit(self, request: Generate) -> Any:
        if request.constraint is not None:
            for home in self.roster.homes(request):
                home.grammars.compile(request.constraint)
        self.scheduler(request.model).submit(request)
        return self.heard[request.id]

    def scheduler(self, model: str = "toy") -> Any:
        scheduler = self.roster.get(model)
        assert scheduler is not None
        return scheduler

    def step(self) -> None:
        """Return what the decode loop does in an iteration."""
        for scheduler in self.roster.able():
            scheduler.step(brief=False)
            self.check()

    @property
    def busy(self) -> bool:
        return self.roster.running + self.roster.waiting > 0

    def settle(self, most: int = 8000) -> None:
        for _ in range(most):
            if not self.busy:
                break
            self.step()
        assert not self.busy, "the models do not come to an end"
        self.check_free()

    def answers(self) -> Iterator[Generation]:
        """Those that hold sequences."""
        loaded = [self.roster.get(name) for name in self.backends]
        yield from {answer for each in loaded if each is not None for answer in each._running}

    def check(self) -> None:
        """Every sequence holds exactly the beginning of its answer's text and draft."""
        for name, backend in self.backends.items():
            scheduler = self.roster.get(name)
            if scheduler is not None:
                assert [s.tokens for s in scheduler.pool._all] == backend.held
        for answer in self.answers():
            for sequence in answer.sequences:
                whole = [*sequence.text, *sequence.draft]
                assert sequence.held.busy
                assert sequence.held.tokens == whole[: len(sequence.held.tokens)]
                self._check_text(answer, sequence)

    def _check_text(self, answer: Generation, sequence: Any) -> None:
        written = [token for _, token in written_of(answer)]
        assert sequence.text == [*sequence.prompt, *written]

    def check_free(self) -> None:
        """Nothing is lent out, and nobody waits."""
        self.check()
        for name in self.backends:
            scheduler = self.roster.get(name)
            if scheduler is not None:
                assert scheduler.pool.busy == 0
                assert not scheduler._running
                assert not scheduler._waiting


class TextToy:
    """Mixed into a toy model: cuts text into the longest pieces that there are."""

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        data, tokens = text.encode(), [1] if begins else []
        while data:
            piece = max((p for p in self.pieces if p and data.startswith(p)), key=len)
            tokens.append(self.pieces.index(piece))
            data = data[len(piece) :]
        return tokens
