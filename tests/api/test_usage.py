"""Tokens add up, times are those of the slowest answer, and nothing unknown is a number."""

from __future__ import annotations

from edge_rt.generation.usage import Origin, Tally

ORIGIN = Origin("m", "llama.cpp", None, None, None)


def test_sums_and_longest(script):
    tally = Tally()
    events = [
        script.started(10, 4),
        script.delta("ab", 0, tokens=3),
        script.delta("c", 1, tokens=2),
        script.finished(0, decode_s=1.0, tokens=3),
        script.finished(1, decode_s=0.5),
    ]
    for event in events:
        tally.take(event)
    usage = tally.usage()
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert usage.prompt_tokens_details.cached_tokens == 4
    edge = tally.edge(ORIGIN)
    assert (edge.queue_s, edge.prefill_s, edge.decode_s) == (0.1, 0.2, 1.0)
    assert edge.tokens_per_s == 3.0  # five, less the two that came with the prompt's pass


def test_what_a_lost_engine_decoded_does_not_count_as_speed(script):
    tally = Tally()
    for event in (script.started(), script.delta("ab", tokens=50), script.finished(tokens=3)):
        tally.take(event)
    assert tally.tokens_per_s == 4.0  # the last engine's two in half a second


def test_speed_is_unknown_when_nothing_was_decoded(script):
    tally = Tally()
    for event in (script.started(), script.delta("a"), script.finished(decode_s=0.0)):
        tally.take(event)
    assert tally.edge(ORIGIN).tokens_per_s is None
