r"""Whether two results written in LaTeX are the same.

Written ways are made alike, then texts are compared; where they differ, exact values of plain
numbers and fractions, and the members of tuples and sets. Nothing is simplified: 2/4 is 1/2, but
x+1 is not 1+x. What cannot be told is not the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from evallib.result import closing

_SPACES = re.compile(r"\\[!,;: ]|\\q?quad\b|~|\s+")
_WORDS = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|textit|operatorname)\s*\{([^{}]*)\}")
_UNITS = re.compile(
    r"(?<=[\d}])(?:degrees?|dollars?|cents?|units?|square(?:units|inches|feet)|cm|inches|feet"
    r"|meters|hours|minutes|seconds|mph|percent)(?:\^\{?[23]\}?)?\Z"
)
_SHORT_FRACTION = re.compile(r"\\frac(?:(\d)(\d)|\{([^{}]*)\}(\w)|(\w)\{([^{}]*)\})")
_SHORT_ROOT = re.compile(r"\\sqrt(\w)")
_FRACTION = re.compile(r"(-?)(\d*)\\frac\{(-?\d+)\}\{(-?\d+)\}")
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?!\d)")
_NAMED = re.compile(r"[a-zA-Z](?:\([a-z]\))?=(?!.*=)|[a-z]\\in(?![a-z])")
_ALIKE = (
    ("\\left", ""),
    ("\\right", ""),
    ("\\displaystyle", ""),
    ("\\dfrac", "\\frac"),
    ("\\tfrac", "\\frac"),
    ("\\cfrac", "\\frac"),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\degree", ""),
    ("°", ""),
    ("\\%", ""),
    ("%", ""),
    ("\\$", ""),
    ("$", ""),
    ("\\(", ""),
    ("\\)", ""),
    ("{,}", ","),
    ("\\leq", "\\le"),
    ("\\geq", "\\ge"),
    ("\\neq", "\\ne"),
    ("\\cdot", "*"),
    ("\\times", "*"),
    ("π", "\\pi"),
    ("\u2212", "-"),
    ("≤", "\\le"),
    ("≥", "\\ge"),
    ("\\{", "\\lbrace"),
    ("\\}", "\\rbrace"),
    ("\\bmatrix", "\\pmatrix"),
)


def same_formula(answer: str, reference: str) -> bool:
    """Whether an answer gives the reference's result."""
    a, b = normal(answer), normal(reference)
    return _same(a, b) or _same(_unnamed(a), _unnamed(b))


def normal(text: str) -> str:
    """`text` in the one way of writing it that is compared."""
    text = text.strip().rstrip(".")
    text = _outer(text)
    for written, meant in _ALIKE:
        text = text.replace(written, meant)
    text = _WORDS.sub(r"\1", _SPACES.sub("", text))
    text = _UNITS.sub("", text)
    text = _SHORT_FRACTION.sub(_whole_fraction, text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = re.sub(r"(?<![\d.])\.(?=\d)", "0.", text)
    return re.sub(r"([_^])\{(\w)\}", r"\1\2", text).rstrip(".")


def _outer(text: str) -> str:
    """Return a formula without a command around it that only changes the type."""
    while found := re.match(r"\\(?:text|mbox|mathrm|textbf|mathbf|boxed)\s*\{", text):
        if closing(text, found.end() - 1) != len(text) - 1:
            return text
        text = text[found.end() : -1]
    return text


def _whole_fraction(found: re.Match[str]) -> str:
    above, below = [part for part in found.groups() if part is not None]
    return f"\\frac{{{above}}}{{{below}}}"


def _unnamed(text: str) -> str:
    """Return a result without "x =" or "x \\in" in front of it."""
    found = _NAMED.match(text)
    return text[found.end() :] if found else text


def _same(a: str, b: str) -> bool:
    if a == b or (_letters(a) and a.lower() == b.lower()):
        return True
    value = _value(a)
    if value is not None:
        return value == _value(b)
    return _same_members(a, b)


def _letters(text: str) -> bool:
    """Whether it is a word, whose capitals do not matter, and no sum of variables."""
    return len(text) > 1 and text.strip("()").isalpha()


def _value(text: str) -> Fraction | None:
    """The exact value of an integer, a decimal, a fraction or a mixed number."""
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text.lstrip("-")) else text
    found = _FRACTION.fullmatch(text)
    try:
        if found is None:
            return Fraction(text) if re.fullmatch(r"[-+]?[\d./]+", text) else None
        sign, whole, above, below = found.groups()
        value = int(whole or 0) + Fraction(int(above), int(below))
        return -value if sign else value
    except (ValueError, ZeroDivisionError):
        return None


def _same_members(a: str, b: str) -> bool:
    """Whether both are lists in like brackets, of the same members; sets in any order."""
    (open_a, members_a, close_a), (open_b, members_b, close_b) = _members(a), _members(b)
    if (open_a, close_a) != (open_b, close_b) or len(members_a) != len(members_b):
        return False
    if len(members_a) < 2 and not open_a:
        return False
    in_order = all(_same(x, y) for x, y in zip(members_a, members_b, strict=True))
    return in_order or (open_a in ("", "\\lbrace") and _matched(members_a, members_b))


def _matched(a: Sequence[str], b: Sequence[str]) -> bool:
    left = list(b)
    for member in a:
        twin = next((other for other in left if _same(member, other)), None)
        if twin is None:
            return False
        left.remove(twin)
    return True


def _members(text: str) -> tuple[str, list[str], str]:
    """The opening bracket, the parts between commas, and the closing one."""
    for opening, ending in (("\\lbrace", "\\rbrace"), *((a, b) for a in "([" for b in ")]")):
        inner = text[len(opening) : len(text) - len(ending)]
        if text.startswith(opening) and text.endswith(ending) and _balanced(inner):
            return opening, _parts(inner), ending
    return "", _parts(text), ""


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _parts(text: str) -> list[str]:
    """Between the commas that no bracket holds; a comma of thousands is none."""
    parts, depth, begin = list[str](), 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [*parts, text[begin:]]
