"""From a request to its answers: on which models they have seats."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.decoding.sampling.draws import fork_seed
from edge_rt.decoding.sampling.sampler import Sampler
from edge_rt.decoding.sampling.stops import StopAutomaton
from edge_rt.decoding.sampling.text import TextStream
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.generation.model_sequence import Home, ModelSequence
from edge_rt.engine.generation.prompt import prompt_tokens
from edge_rt.engine.protocol import Generate
from edge_rt.engine.strategies.exactness import Exactness
from edge_rt.engine.strategies.modes import Modes, drafts, needs_one_vocabulary, partner_of, retells
from edge_rt.engine.strategies.retelling import TextSeat
from edge_rt.errors import RequestError

MakeSeat = Callable[[int], ModelSequence]
"""Makes the seat of the answer with that index."""


class Placement:
    """Makes the answers to requests on one model."""

    def __init__(self, home: Home, find: Callable[[str], Home]) -> None:
        """`find` gives another model by its name; EdgeError where there is none."""
        self._home = home
        self._find = find
        self._modes = Modes(Exactness(home))

    def answers(self, request: Generate, now: float) -> list[Generation]:
        """Those that are not done; RequestError or Unavailable where they cannot be made."""
        makers = self._seats(request)
        stops = StopAutomaton(request.stop)
        answers: list[Generation] = []
        for index in range(request.n):
            if index not in request.done:
                seats = [make(index) for make in makers]
                answer = Generation(request, index, seats, TextStream(stops), now)
                if not retells(request.mode):
                    answer.resume()
                if drafts(request.mode) and index in request.made:
                    answer.count_on(request.made[index])
                if answer.open:
                    answer.begin(self._modes.course(answer, fork_seed(_seed(request), index)))
                answers.append(answer)
        return answers

    def _seats(self, request: Generate) -> list[MakeSeat]:
        name = partner_of(request.mode)
        if name is None:
            return [_maker(request, request.prompt, self._home, ModelSequence)]
        partner = self._find(name)
        if partner is self._home:
            raise RequestError("a model cannot be its own partner", param="edge.mode")
        kind = ModelSequence
        if partner.backend.fingerprint != self._home.backend.fingerprint:
            _refuse_tokens(request)
            kind = TextSeat
        return [
            _maker(request, request.prompt, self._home, kind),
            _partners_maker(request, name, partner, kind),
        ]


def _maker(
    request: Generate, prompt: str | list[int], home: Home, kind: type[ModelSequence]
) -> MakeSeat:
    tokens = prompt_tokens(prompt, request.special, home.backend)
    sampler = Sampler(request.sampling, seed=_seed(request), prompt=tokens)
    return lambda index: kind(home, tokens, sampler.fork(index))


def _partners_maker(
    request: Generate, name: str, home: Home, kind: type[ModelSequence]
) -> MakeSeat:
    """See _maker; whose fault it is must be told, for the model itself may do well."""
    try:
        return _maker(request, _partners_prompt(request), home, kind)
    except RequestError as error:
        message = f"{name}, the partner in this mode: {error}"
        raise RequestError(message, param=error.param, code=error.code) from error


def _seed(request: Generate) -> int:
    return request.sampling.seed or 0


def _partners_prompt(request: Generate) -> str | list[int]:
    prompt = None if request.mode is None else request.mode.prompt
    return request.prompt if prompt is None else prompt


def _refuse_tokens(request: Generate) -> None:
    """What names tokens means nothing to a model of another vocabulary: RequestError."""
    if needs_one_vocabulary(request.mode):
        raise RequestError(
            "the two models have unequal vocabularies, so that neither reads what the other "
            "drafts: take a mode that switches",
            param="edge.mode",
        )
    if _partners_prompt(request) is request.prompt and isinstance(request.prompt, list):
        raise RequestError(
            "the prompt is tokens of one model, and the other has an unequal vocabulary: send text",
            param="prompt",
        )
    if request.sampling.logit_bias:
        raise RequestError(
            "logit_bias names tokens, and the two models have unequal vocabularies",
            param="logit_bias",
        )
