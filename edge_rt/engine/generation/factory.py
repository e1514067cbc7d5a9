"""Make the answers to a request, with a sequence on each of their models."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from edge_rt.core.decoding import CheckerSpec
from edge_rt.core.errors import RequestError
from edge_rt.decoding.sampler import Sampler
from edge_rt.decoding.text import TextCheck, TextStream
from edge_rt.engine.generation.checker import Checkers
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.generation.model_sequence import Home, ModelSequence
from edge_rt.engine.generation.modes import Exactness, Modes, drafts, partner_of
from edge_rt.engine.protocol import Generate
from edge_rt.engine.scheduler.inputs import prompt_tokens

if TYPE_CHECKING:
    from edge_rt.decoding.constraints.grammars import Grammars
    from edge_rt.decoding.constraints.matcher import Matcher


MakeSequence = Callable[[int], ModelSequence]
"""Makes the sequence of the answer with that index."""


class GenerationFactory:
    """Makes the answers to requests on one model."""

    def __init__(
        self,
        home: Home,
        find: Callable[[str], Home],
        note: Callable[[], None] = lambda: None,
        helped: Callable[[float], None] = lambda cpu_s: None,
    ) -> None:
        """`find` gives another model by its name; EdgeError where there is none.

        `note` is called before a checker or a grammar is waited for, `helped` is told what grammars
        take.
        """
        self.checkers = Checkers(note)
        self._home, self._note, self._helped = home, note, helped
        self._find = find
        self._modes = Modes(Exactness(home))
        self._grammars: Grammars | None = None  # once a request has a constraint
        self._closed, self._starting = False, Lock()

    @property
    def grammars(self) -> Grammars:
        """What compiles constraints for the model; for any thread. Unavailable once closed."""
        # Few requests have a constraint, and these modules take memory.
        from edge_rt.decoding.constraints.grammars import Grammars, unloaded

        with self._starting:
            if self._closed:
                raise unloaded()
            if self._grammars is None:
                self._grammars = Grammars(self._home.backend, note=self._note, helped=self._helped)
            return self._grammars

    def close(self) -> None:
        """Ask the model nothing more."""
        self.checkers.close()
        with self._starting:
            self._closed = True
        if self._grammars is not None:
            self._grammars.close()

    def answers(self, request: Generate, now: float) -> list[Generation]:
        """Return the answers that are not done; raises EdgeError where they cannot be made."""
        makers = self._sequences(request)
        answers: list[Generation] = []
        for index in range(request.n):
            if index not in request.done:
                sequences = [make(index) for make in makers]
                answer = Generation(request, index, sequences, TextStream(request.stop), now)
                answer.resume()
                if drafts(request.mode) and index in request.made:
                    answer.count_on(request.made[index])
                if answer.open:
                    answer.begin(self._modes.strategy(answer))
                answers.append(answer)
        return answers

    def _sequences(self, request: Generate) -> list[MakeSequence]:
        name = partner_of(request.mode)
        if name is not None and request.check is not None:
            raise RequestError(
                "`edge.check` cannot go with a mode of two models: take single or lookup",
                param="edge.mode",
            )
        if name is None:
            return [_maker(request, request.prompt, self._home)]
        if request.images:
            raise RequestError(
                "images cannot go with a mode of two models: take single or lookup",
                param="edge.mode",
            )
        partner = self._find(name)
        if partner is self._home:
            raise RequestError("a model cannot be its own partner", param="edge.mode")
        if partner.backend.fingerprint != self._home.backend.fingerprint:
            raise RequestError(
                "the two models have unequal vocabularies, so that neither reads what the other "
                "drafts: name a partner of the same family",
                param="edge.mode",
            )
        first = _maker(request, request.prompt, self._home)
        prompt = None if request.mode is None else request.mode.prompt
        try:
            return [first, _maker(request, request.prompt if prompt is None else prompt, partner)]
        except RequestError as error:
            message = f"{name}, the partner in this mode: {error}"
            raise RequestError(message, param=error.param, code=error.code) from error


def _maker(request: Generate, prompt: str | list[int], home: Home) -> MakeSequence:
    images = [image.reference for image in request.images]
    tokens = prompt_tokens(prompt, request.special, home.backend, request.suffix, images)
    matcher = None if request.constraint is None else home.grammars.compiled(request.constraint)
    check = None if request.check is None else _check(request.check, home, matcher)
    sampler = Sampler(
        request.sampling,
        seed=_seed(request),
        prompt=[token for token in tokens if token >= 0] if images else tokens,
        matcher=matcher,
        check=check,
    )
    return lambda index: ModelSequence(home, tokens, sampler.fork(index))


def _check(spec: CheckerSpec, home: Home, matcher: Matcher | None) -> TextCheck:
    """Return the beginning of what a checker allows.

    A special token is text where a grammar names it.
    """
    backend = home.backend

    def piece(token: int) -> bytes:
        return backend.piece(token) or (b"" if matcher is None else matcher.spelt.get(token, b""))

    return TextCheck(home.checkers.get(spec), piece, backend.ends)


def _seed(request: Generate) -> int:
    return request.sampling.seed or 0
