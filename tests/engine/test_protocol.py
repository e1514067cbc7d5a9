"""Every message reaches the other end as it was, also from an end that is a little older."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core import cached, events
from edge_rt.core.decoding import Sampling
from edge_rt.engine.channel import encode, engine_decoder, front_decoder
from edge_rt.engine.protocol import Generate, Message, Pong, SetLimits, ToEngine, ToFront

Strategies = Callable[[Any], st.SearchStrategy[Any]]
TO_ENGINE, TO_FRONT = get_args(ToEngine), get_args(ToFront)


def is_tagged(found: object) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, msgspec.Struct)
        and found.__struct_config__.tag is not None
    )


@given(data=st.data())
@pytest.mark.parametrize("kind", TO_ENGINE)
def test_the_engine_reads_what_the_front_writes(
    any_of: Strategies, kind: type[Message], data: st.DataObject
) -> None:
    message = data.draw(any_of(kind))
    assert engine_decoder().decode(encode(message)[4:]) == message


@given(data=st.data())
@pytest.mark.parametrize("kind", TO_FRONT)
def test_the_front_reads_what_the_engine_writes(
    any_of: Strategies, kind: type[Message], data: st.DataObject
) -> None:
    message = data.draw(any_of(kind))
    assert front_decoder().decode(encode(message)[4:]) == message


def test_each_message_has_one_direction_and_a_tag_of_its_own() -> None:
    kinds = [*TO_ENGINE, *TO_FRONT]
    passed_on = [one for room in (cached, events) for one in vars(room).values() if is_tagged(one)]
    assert set(kinds) == {*Message.__subclasses__(), *passed_on}
    assert len({kind.__name__ for kind in kinds}) == len(kinds)


def test_fields_with_defaults_may_be_missing_at_the_end() -> None:
    sampling = Sampling(seed=3)
    short = ["Generate", 1, "m", [5], False, sampling, None]
    decoded = engine_decoder().decode(msgspec.msgpack.encode(short))
    assert decoded == Generate(1, "m", [5], False, sampling, None)


def test_what_an_older_front_does_not_limit_is_not_limited() -> None:
    assert engine_decoder().decode(msgspec.msgpack.encode(["SetLimits", 2])) == SetLimits(
        2, duty=1.0, prefill_chunk=None, prompt_duty=None
    )


def test_a_newer_end_may_add_fields_that_an_older_one_does_not_know() -> None:
    pong = Pong(1, 2, 3, 4, 5, 6, 7.0, 8.0)
    longer = [*msgspec.msgpack.decode(msgspec.msgpack.encode(pong)), "new"]
    assert front_decoder().decode(msgspec.msgpack.encode(longer)) == pong


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(msgspec.ValidationError):
        engine_decoder().decode(msgspec.msgpack.encode(["Generate", 1, "m", [5]]))
