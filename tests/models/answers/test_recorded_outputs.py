"""Recorded outputs of well-known models, read as chat templates of their families show."""

from __future__ import annotations

from pathlib import Path

import pytest
from evallib.calls.recorded import Verdict, judged
from evallib.calls.templates import Formats, fetched

UNREAD = {
    # other space around calls, which is no part of a text to us
    "gemma4/sglang-text-around-call",
    "kimi/k2i-vllm-content-after-tool-section",
    # against the grammar of their model
    "kimi/k2i-vllm-id-without-functions-prefix",
    "kimi/k2i-vllm-noise-between-markers",
    "qwen3-xml/llamacpp-q35-call-inside-think",
    # one call is whole, and is told
    "llama/l4-truncated-missing-close-bracket",
}


@pytest.fixture(scope="module")
def formats(cache: Path) -> Formats:
    return Formats(fetched(cache))


@pytest.fixture(scope="module")
def verdicts(formats: Formats) -> list[Verdict]:
    return list(judged(formats.of))


def test_outputs_are_read_as_their_models_meant_them(verdicts: list[Verdict]) -> None:
    assert {one.id: one.why for one in verdicts if not one.passed and one.id not in UNREAD} == {}
    assert {one.id for one in verdicts if not one.passed} == UNREAD
    assert len(verdicts) == 469


def test_no_call_and_no_argument_is_lost(verdicts: list[Verdict]) -> None:
    assert [one.id for one in verdicts if one.lost] == []
