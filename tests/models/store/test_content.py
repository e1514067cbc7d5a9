"""A model is known by what its files hold, in whatever order they come."""

from __future__ import annotations

import hashlib

from edge_rt.models.naming import content_sha256

A, B = "aa" * 32, "bb" * 32


def test_one_file_is_its_own_sha256_whatever_its_name() -> None:
    assert content_sha256([("model.gguf", A)]) == content_sha256([("other.gguf", A)]) == A


def test_several_are_known_by_name_and_content_in_any_order() -> None:
    expected = hashlib.sha256(f"a {A}\nb {B}\n".encode()).hexdigest()
    assert content_sha256([("b", B), ("a", A)]) == content_sha256([("a", A), ("b", B)]) == expected


def test_swapped_contents_are_another_model() -> None:
    assert content_sha256([("a", A), ("b", B)]) != content_sha256([("a", B), ("b", A)])
