"""What is no number of a range is refused before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

Cli = Any


@pytest.mark.parametrize(
    "words",
    [
        ("sensors", "--direct", "--watch", "nan"),
        ("sensors", "--direct", "--watch", "inf"),
        ("sensors", "--direct", "--watch", "1e300"),
        ("top", "--period", "nan"),
        ("run", "--temperature", "nan", "hello"),
        ("run", "--energy", "0", "hello"),
        ("run", "--latency", "nan", "hello"),
        ("run", "--quality", "1.1", "hello"),
        ("budget", "--window", "nan"),
        ("budget", "--peak", "nan"),
        ("ledger", "--days", "0"),
        ("ledger", "--days", "3651"),
        ("ledger", "--last", "1001"),
    ],
)
def test_it_is_wrong_usage_that_names_option_and_range(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli(*words)
    assert result.exit_code == 2
    option = next(word for word in words if word.startswith("--") and word != "--direct")
    assert option in result.stderr
    assert "range" in result.stderr


@pytest.mark.parametrize("words", [("--days", "3650"), ("--last", "1000"), ("--last", "0")])
def test_the_ends_of_a_range_belong_to_it(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("ledger", *words).exit_code == 3  # no daemon
