"""What was said so far in a chat."""

from __future__ import annotations


class Conversation:
    """Messages in the API's shape; a question without any answer is not kept."""

    def __init__(self, system: str | None = None) -> None:
        self.system = system
        self._turns: list[tuple[str, str]] = []

    @property
    def begun(self) -> bool:
        """Whether there is something that `reset` would forget."""
        return bool(self._turns)

    def messages(self, question: str) -> list[dict[str, str]]:
        """Everything that the model is to read before it answers `question`."""
        said = [("system", self.system)] if self.system else []
        for asked, answered in self._turns:
            said += [("user", asked), ("assistant", answered)]
        return [{"role": role, "content": text} for role, text in [*said, ("user", question)]]

    def keep(self, question: str, answer: str) -> None:
        """Remember one turn; an answer that was stopped counts as far as it was said."""
        if answer:
            self._turns.append((question, answer))

    def reset(self) -> None:
        """Forget all turns, but not what the system said."""
        self._turns.clear()
