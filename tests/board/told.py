"""A firmware for tests."""

from __future__ import annotations


class Told:
    """A firmware that answers what it was told, or raises it."""

    source = "told"

    def __init__(self, *answers: str | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def ask(self, command: str) -> str:
        self.asked.append(command)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        self.answers = [OSError("closed")]
