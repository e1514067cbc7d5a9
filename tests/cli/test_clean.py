"""No text can give orders to a terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.cli.text import clean


@given(st.text())
def test_only_newline_and_tab_are_left_of_control_characters(text: str) -> None:
    control = {char for char in clean(text) if unicodedata.category(char) == "Cc"}
    assert control <= {"\n", "\t"}


@given(st.text(st.characters(exclude_categories=["Cc"])))
def test_other_text_is_untouched(text: str) -> None:
    assert clean(text + "\n\t") == text + "\n\t"
