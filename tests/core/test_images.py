"""References to images in texts are found again, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.images import Image, ImageReference, joined, parted

ONE, TWO = Image.of(2, 1, b"abcdef").reference, Image.of(1, 2, b"ghijkl").reference
TEXTS = st.text(st.characters(exclude_characters="\ufdd2"), max_size=20)


@given(texts=st.lists(TEXTS, min_size=1, max_size=5), pair=st.permutations([ONE, TWO]))
def test_what_was_put_together_comes_apart(texts: list[str], pair: list[ImageReference]) -> None:
    images = [pair[i % 2] for i in range(len(texts) - 1)]
    prompt = texts[0] + "".join(f"{i}{t}" for i, t in zip(images, texts[1:], strict=True))
    assert parted(prompt) == (texts, images)


@pytest.mark.parametrize(
    "text",
    ["", "\ufdd2", "\ufdd2\ufdd2", str(ONE)[:-1], str(ONE)[1:], str(ONE).replace("x", "y")],
)
def test_other_texts_are_no_references(text: str) -> None:
    assert parted(text) == ([text], [])


def test_images_tell_pixels_apart() -> None:
    assert Image.of(2, 1, b"abcdef") == Image.of(2, 1, b"abcdef")
    assert Image.of(2, 1, b"abcdef").reference != Image.of(1, 2, b"abcdef").reference
    assert ONE.sha256 != TWO.sha256


def test_texts_have_lines_of_their_own_and_images_none() -> None:
    assert joined([]) == ""
    assert joined(["", "a", "", "b"]) == "\na\n\nb"
    assert joined([str(ONE), "a", "b", str(TWO)]) == f"{ONE}a\nb{TWO}"
