"""Who wrote which token of an answer, and what that took besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_rt.decoding.params import Made
from edge_rt.engine.generation.model_sequence import ModelSequence


class TokenProvenance:
    """Counts by seat: the first is on the model that the request names, a second on its partner.

    `tokens` are the answer's as the front is told them, which may come back with a resumed answer:
    those of the partner have the size of the first model's vocabulary added.
    """

    def __init__(self, seats: Sequence[ModelSequence]) -> None:
        self.tokens: list[int] = []
        self._seats = seats
        self._mark = seats[0].backend.vocab
        self._written = [0] * len(seats)
        self._last: ModelSequence | None = None
        self._switches = self._catch_up = self._accepted = self._rejected = 0

    @property
    def made(self) -> Made:
        """What it comes to."""
        return Made(
            small=sum(self._written[1:]),
            large=self._written[0],
            switches=self._switches,
            catch_up=self._catch_up,
            accepted=self._accepted,
            rejected=self._rejected,
        )

    def count_on(self, made: Made) -> None:
        """Begin where `made` ends with what the tokens do not tell."""
        self._catch_up, self._switches = made.catch_up, made.switches
        self._accepted, self._rejected = made.accepted, made.rejected

    def wrote(self, seat: ModelSequence, token: int) -> None:
        """The next token is `token`, of that seat's model."""
        place = self._seats.index(seat)
        self.tokens.append(token + place * self._mark)
        self._written[place] += 1
        self._switches += self._last is not None and self._last is not seat
        self._last = seat

    def author(self, told: int) -> tuple[ModelSequence, int]:
        """Whose token that is, and which of its model's."""
        place = min(told // self._mark, len(self._seats) - 1)  # its vocabulary may be larger
        return self._seats[place], told - place * self._mark

    def written(self) -> Iterator[tuple[ModelSequence, int]]:
        """Every token and whose it is."""
        return map(self.author, self.tokens)

    def caught_up(self, tokens: int) -> None:
        """A seat is to read what others wrote."""
        self._catch_up += tokens

    def handed_over(self) -> None:
        """All that was drafted so far went to the first seat, which writes on."""
        self._switches += 1

    def verified(self, accepted: int, rejected: int) -> None:
        """So much of a draft was kept and let go."""
        self._accepted += accepted
        self._rejected += rejected
