"""Text comes out whole, in time, and never with a stop string or a broken character in it."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_rt.core.errors import RequestError
from edge_rt.decoding.text import TextStream

alphabet = "abé€\U0001f600\ufffd"
stop_lists = st.lists(st.text(alphabet, min_size=1, max_size=5), max_size=4)
# Few letters, so that stop strings overlap; raw bytes, so that characters break.
streams = st.lists(
    st.text(alphabet, max_size=8).map(str.encode)
    | st.binary(max_size=4)
    | st.sampled_from([b"\xe2\x82", b"\xf0\x9f", b"\xc3", b"\xa9", b"\xff", b"a", b"b"]),
    max_size=12,
).map(b"".join)


def reference(data: bytes, stops: list[str]) -> tuple[str, str | None]:
    """Decode everything, then cut where a stop string is complete first; the longest of those."""
    text = data.decode(errors="replace")
    for end in range(len(text) + 1):
        hits = [stop for stop in stops if text[:end].endswith(stop)]
        if hits:
            longest = max(hits, key=len)
            return text[: end - len(longest)], longest
    return text, None


def cut_up(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=10)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def pieces(draw: st.DrawFn) -> list[bytes]:
    return cut_up(draw, draw(streams))


@given(pieces(), stop_lists)
def test_the_text_is_the_whole_decoded_and_cut_whatever_the_pieces(
    given_pieces: list[bytes], stops: list[str]
) -> None:
    stream = TextStream(stops)
    out = "".join(map(stream.push, given_pieces)) + stream.finish()
    assert (out, stream.stopped) == reference(b"".join(given_pieces), stops)


@given(pieces(), stop_lists, st.text(alphabet, min_size=1, max_size=5))
def test_text_is_held_back_only_if_a_stop_can_still_swallow_it(
    given_pieces: list[bytes], stops: list[str], stop: str
) -> None:
    """Either nothing is held, or some stop string begins with it and completing that one hits."""
    stops = [*stops, stop]
    decoded = b"".join(given_pieces).decode(errors="ignore").encode()
    stream = TextStream(stops)
    sent = stream.push(decoded)
    if stream.stopped is not None:
        return
    held = decoded.decode()[len(sent) :]
    endings = [s[len(held) :] for s in stops if held and s.startswith(held) and s != held]
    assert not held or any(swallowed(stops, decoded, ending) for ending in endings)


def swallowed(stops: list[str], decoded: bytes, ending: str) -> bool:
    stream = TextStream(stops)
    stream.push(decoded)
    rest = stream.push(ending.encode())
    return stream.stopped is not None and rest == ""


@given(
    st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=4),
    st.text("abc", max_size=20),
)
def test_what_is_held_back_is_the_longest_end_that_begins_a_stop_string(
    stops: list[str], text: str
) -> None:
    stream, sent = TextStream(stops), 0
    live = [s for s in stops if not any(other in s[:-1] for other in stops)]
    for end, char in enumerate(text, 1):
        sent += len(stream.push(char.encode()))
        seen = text[:end]
        hits = (s for s in live if seen.endswith(s))
        assert stream.stopped == max(hits, key=len, default=None)
        if stream.stopped is not None:
            return
        begun = [n for s in live for n in range(len(s)) if seen.endswith(s[:n])]
        assert end - sent == max(begun)


@given(pieces())
@example([b"\xed\xa0"])
def test_without_stops_only_an_unfinished_character_waits(given_pieces: list[bytes]) -> None:
    stream, seen, sent = TextStream(()), b"", ""
    for piece in given_pieces:
        seen, sent = seen + piece, sent + stream.push(piece)
        # Of the first bytes of a surrogate, which no text has, Python too waits for the third.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        assert sent == decoder.decode(seen)
        assert len(decoder.getstate()[0]) <= 3


@pytest.mark.parametrize(
    ("stops", "text", "sent", "stopped"),
    [
        (["bc", "abcd"], "xabcd", "xa", "bc"),  # complete first
        (["abc", "bc"], "xabc", "x", "abc"),  # the longest of those complete at once
        (["ab", "abc"], "xabc", "x", "ab"),
        (["aab"], "aaab", "a", "aab"),  # the beginning overlaps itself
        (["é€"], "xé€y", "x", "é€"),
        (["abd", "bcx"], "abcx", "a", "bcx"),  # one gives way to another
        (["\n\n"], "one\ntwo\n\nthree", "one\ntwo", "\n\n"),
        (["z"], "abc", "abc", None),
    ],
)
def test_which_stop_string_is_hit(
    stops: list[str], text: str, sent: str, stopped: str | None
) -> None:
    for size in range(1, 5):
        stream, data = TextStream(stops), text.encode()
        out = "".join(stream.push(data[i : i + size]) for i in range(0, len(data), size))
        assert (out + stream.finish(), stream.stopped) == (sent, stopped)


def test_text_before_a_stop_is_sent_at_once_and_nothing_after_it() -> None:
    stream = TextStream(["</s>"])
    assert stream.push(b"Hello <") == "Hello "
    assert stream.push(b"b> </") == "<b> "
    assert stream.push(b"s> more") == ""
    assert stream.stopped == "</s>"
    assert (stream.push(b"and more"), stream.finish()) == ("", "")


def test_a_beginning_that_no_stop_can_complete_is_not_held() -> None:
    """'xaby' never hits, for 'a' is always complete first."""
    assert TextStream(["xay", "a"]).push(b"x") == "x"


def test_an_unfinished_character_at_the_end_becomes_the_replacement() -> None:
    stream = TextStream(["\ufffd!"])
    assert (stream.push(b"ok \xe2\x82"), stream.finish()) == ("ok ", "\ufffd")


def test_empty_stop_strings_are_refused() -> None:
    with pytest.raises(RequestError) as caught:
        TextStream(["a", ""])
    assert caught.value.param == "stop"
