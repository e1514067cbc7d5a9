"""From what a model wrote to a program with tests."""

from __future__ import annotations

import pytest
from evallib.tasks import Problem, function_of, program_of

PROBLEM = Problem(
    prompt=(
        "import math\n\n\ndef helper(x):\n    return math.floor(x)\n\n\n"
        'def twice(x: float) -> int:\n    """ Twice the floor.\n'
        '    >>> twice(1.5)\n    2\n    """\n'
    ),
    entry_point="twice",
    test="def check(candidate):\n    assert (candidate(1.5), candidate(-0.5)) == (2, -2)\n",
)
WHOLE = "def twice(x):\n    return 2 * helper(x)\n"


def passes(text: str) -> bool:
    code = function_of(text, PROBLEM)
    if code is None:
        return False
    try:
        exec(program_of(code, PROBLEM), {})
    except (AssertionError, SyntaxError, NameError):
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        f"Here it is:\n```python\n{WHOLE}```\nIt works since …",
        f"```\n{WHOLE}```",
        f"```Python\n{WHOLE}",  # cut before the block's end
        f"```python\n{WHOLE}```\n```python\nprint(twice(3))\n```",
        f"```bash\nls\n```\n```py\n{WHOLE}```",
        WHOLE,
        f"Sure! This is the function.\n\n{WHOLE}",
        "    return 2 * helper(x)",
        "```python\n    return 2 * helper(x)\n```",
        "return 2 * helper(x)",
        "y = helper(x)\n    return 2 * y",
        "if x is None:\n    return 0\nreturn 2 * helper(x)",
        "```python\nimport math\n\ndef twice(x):\n    return 2 * math.floor(x)\n```",
        "1. Like this:\n   ```python\n   def twice(x):\n       return 2 * helper(x)\n   ```",
    ],
)
def test_the_function_is_found_with_imports_and_helpers(text: str) -> None:
    assert passes(text)


@pytest.mark.parametrize(
    "text", ["", "  \n", "I cannot.", "```python\ndef twice(x):\n    return 2\n```"]
)
def test_what_is_no_right_function_does_not_pass(text: str) -> None:
    assert not passes(text)


def test_a_function_of_a_like_name_is_another() -> None:
    assert not PROBLEM.defined_in("def twice_more(x):\n    pass\n")
    assert PROBLEM.defined_in("async def twice (x):\n    pass\n")
