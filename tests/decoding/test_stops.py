"""The automaton's state is the longest end of the text that begins a stop string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.text import ROOT, StopAutomaton


@given(
    st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=4),
    st.text("abc", max_size=20),
)
def test_depth_and_hit_are_the_longest(stops: list[str], text: str) -> None:
    automaton, state = StopAutomaton(stops), ROOT
    live = [s for s in stops if not any(other in s[:-1] for other in stops)]
    for end, char in enumerate(text, 1):
        state = automaton.step(state, char)
        seen = text[:end]
        begun = [n for s in live for n in range(len(s) + 1) if seen.endswith(s[:n])]
        assert automaton.depth(state) == max(begun)
        assert automaton.hit(state) == max(
            (s for s in live if seen.endswith(s)), key=len, default=None
        )
