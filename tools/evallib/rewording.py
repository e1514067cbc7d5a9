"""The same question in other words, made by rule: its core stays word for word."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

_FENCE = "```"
_BEFORE = (
    "Please help me with this.",
    "Hello, I have a question.",
    "Could you answer this for me?",
    "I would like to know this:",
    "Here is a question for you.",
)
_AFTER = ("Thank you!", "Thanks in advance.", "Take your time.", "I am curious what you find.")
_WORDS = tuple(  # each with what may stand in its place, wherever the other one stands
    (re.compile(rf"\b{was}\b"), instead)
    for was, instead in (
        ("Which of the following", "Which one of the following"),
        ("Which one of these", "Which of these"),
        ("What is", "What's"),
        ("How much does", "What does"),
        ("In order to", "To"),
        ("due to", "because of"),
        ("a total of", "altogether"),
        ("each day", "every day"),
        ("each week", "every week"),
        ("is not", "isn't"),
        ("does not", "doesn't"),
        ("cannot", "can not"),
        ("Answer with the letter of the right choice alone", "Give only the right choice's letter"),
        ("Reason step by step", "Think step by step"),
        ("End with the result as a plain number", "Finish with the result as a plain number"),
        ("Complete this function", "Please complete the following function"),
    )
)


def reworded(prompt: str, draw: random.Random) -> str:
    """Politeness before or behind `prompt`, or harmless words of it changed for others of the kind.

    Never `prompt` itself.
    """
    chosen = [pair for pair in _WORDS if draw.random() < 0.5]
    parts = prompt.split(_FENCE)
    parts[::2] = [_changed(part, chosen) for part in parts[::2]]  # what is no program text
    said = _FENCE.join(parts)
    frames = draw.choice(("before", "after", "both") if said == prompt else ("", "before", "after"))
    before, after = draw.choice(_BEFORE), draw.choice(_AFTER)
    if frames in ("before", "both"):
        said = f"{before} {said}"
    return f"{said} {after}" if frames in ("after", "both") else said


def _changed(text: str, pairs: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for was, instead in pairs:
        text = was.sub(instead, text)
    return text
