"""Steps are parted by blank lines, however tokens cut the text."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.step_gate import Steps

texts = st.text(alphabet="ab \t\n\r", max_size=40).map(str.encode)


def borders(text: bytes) -> list[int]:
    """Return where blank lines end: two line feeds, white space between, after some ink."""
    return [m.end() for m in re.finditer(rb"(?<=[^\s])[ \t\r]*\n[ \t\r]*\n", text)]


@given(texts, st.sets(st.integers(1, 39)))
def test_a_step_ends_with_the_piece_that_completes_a_blank_line(
    text: bytes, cuts: set[int]
) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    steps, ends = Steps(), borders(text)
    for begin, end in itertools.pairwise(edges):
        assert steps.feed(text[begin:end]) == any(begin < at <= end for at in ends)


@pytest.mark.parametrize(
    ("pieces", "ended"),
    [
        ([b"a.\n\n", b"b"], [True, False]),
        ([b"a", b"\n", b"\n", b"b"], [False, False, True, False]),
        ([b"a", b"\n\n", b"\n", b"b"], [False, True, False, False]),
        ([b"a\n", b"  \n", b"b"], [False, True, False]),
        ([b"a\r\n", b"\r\n"], [False, True]),
        ([b"a\n\nb", b"c\n"], [True, False]),
        ([b"a\n", b"b\n", b"c"], [False, False, False]),
        ([b"\n", b"\n", b"a"], [False, False, False]),
        (["é".encode()[:1], "é\n\n".encode()[1:]], [False, True]),
    ],
)
def test_pieces_as_tokens_are(pieces: list[bytes], ended: list[bool]) -> None:
    steps = Steps()
    assert [steps.feed(piece) for piece in pieces] == ended
