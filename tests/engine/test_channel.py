"""Frames come out whole however the stream was cut, and no length is trusted."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.errors import ProtocolError
from edge_rt.engine import channel
from edge_rt.engine.channel import MAX_FRAME, Frames, encode, engine_decoder, front_decoder
from edge_rt.engine.protocol import Ping, ToEngine, ToFront


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    while data:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@given(data=st.data())
def test_frames_survive_any_cutting(
    any_of: Callable[[Any], st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    sent = data.draw(st.lists(any_of(ToEngine | ToFront), max_size=4))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    frames = Frames()
    stream = b"".join(map(encode, sent))
    bodies = [body for piece in cut(stream, sizes) for body in frames.feed(piece)]
    assert bodies == [encode(message)[4:] for message in sent]


def test_an_unfinished_frame_waits_for_its_rest() -> None:
    frame = encode(Ping(1))
    frames = Frames()
    assert list(frames.feed(frame + frame[:-1])) == [frame[4:]]
    assert list(frames.feed(b"")) == []
    assert list(frames.feed(frame[-1:])) == [frame[4:]]


@given(st.integers(MAX_FRAME + 1, 2**32 - 1))
def test_a_length_over_the_limit_is_refused_before_its_bytes_come(length: int) -> None:
    frames = Frames()
    good = encode(Ping(1))
    stream = frames.feed(good + struct.pack(">I", length))
    assert next(stream) == good[4:]
    with pytest.raises(ProtocolError, match=str(length)):
        next(stream)


def test_text_in_place_of_frames_is_refused() -> None:
    with pytest.raises(ProtocolError):
        list(Frames().feed(b"HTTP/1.1 400 Bad Request\r\n"))


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_FRAME", 2)
    with pytest.raises(ProtocolError, match="over the limit of 2"):
        encode(Ping(1))


@pytest.mark.parametrize("decoder", [engine_decoder(), front_decoder()])
@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93\xa7Unknown\x01\x02", b"\x01"])
def test_a_body_that_is_no_message_is_refused(
    decoder: msgspec.msgpack.Decoder, body: bytes
) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decoder.decode(body)


def test_neither_end_takes_its_own_messages() -> None:
    with pytest.raises(msgspec.ValidationError):
        front_decoder().decode(encode(Ping(1))[4:])
