"""Tokens stand for bytes, whichever way a tokenizer writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_onnx import write_model
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from edge_rt.backends.onnx.vocabulary import OnnxVocabulary
from edge_rt.core.errors import ModelFileError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def by_bytes(folder: Path) -> OnnxVocabulary:
    """A vocabulary of byte-level BPE."""
    return OnnxVocabulary(folder / "model.onnx")


@pytest.fixture(scope="module")
def by_pieces(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxVocabulary:
    """A vocabulary as SentencePiece makes it: spaces are letters, rare letters are bytes."""
    place = tmp_path_factory.mktemp("pieces")
    words = {"<unk>": 0} | {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    for piece in ("▁", "a", "b", "▁a", "é"):
        words[piece] = len(words)
    made = Tokenizer(models.BPE(words, [("▁", "a")], unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    made.add_special_tokens([AddedToken("<unk>"), AddedToken("<turn>", normalized=False)])
    made.add_tokens([AddedToken("\n\n", normalized=False)])
    made.save(str(place / "tokenizer.json"))
    card = json.loads((folder / "model.json").read_text()) | {"add_bos": False}
    (place / "model.json").write_text(json.dumps(card))
    return OnnxVocabulary(place / "model.onnx")


@given(st.text())
@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("which", ["by_bytes", "by_pieces"])
def test_any_text_survives(
    request: pytest.FixtureRequest, which: str, special: bool, text: str
) -> None:
    vocabulary: OnnxVocabulary = request.getfixturevalue(which)
    tokens = vocabulary.tokenize(text, special=special)
    assert b"".join(map(vocabulary.piece, tokens)).decode() == text


@given(st.text())
@pytest.mark.parametrize("which", ["by_bytes", "by_pieces"])
def test_a_text_that_goes_on_has_nothing_before_it(
    request: pytest.FixtureRequest, which: str, text: str
) -> None:
    vocabulary: OnnxVocabulary = request.getfixturevalue(which)
    begun = vocabulary.tokenize("", special=False)
    tokens = vocabulary.tokenize(text, special=False, begins=False)
    assert b"".join(map(vocabulary.piece, tokens)).decode() == text
    assert not begun or tokens[:1] != begun


def test_nor_the_space_that_a_vocabulary_begins_texts_with(folder: Path, tmp_path: Path) -> None:
    words = {"<unk>": 0} | {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    for piece in ("▁", "a", "b"):
        words[piece] = len(words)
    made = Tokenizer(models.BPE(words, [], unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    made.save(str(tmp_path / "tokenizer.json"))
    card = json.loads((folder / "model.json").read_text()) | {"add_bos": False}
    (tmp_path / "model.json").write_text(json.dumps(card))
    vocabulary = OnnxVocabulary(tmp_path / "model.onnx")
    for begins, text in ((True, b" ab"), (False, b"ab")):
        tokens = vocabulary.tokenize("ab", special=True, begins=begins)
        assert b"".join(map(vocabulary.piece, tokens)) == text


def test_control_tokens_are_tokens_only_where_asked_for(by_bytes: OnnxVocabulary) -> None:
    text = "<user>hi<end>"
    as_text = by_bytes.tokenize(text, special=False)
    assert b"".join(map(by_bytes.piece, as_text)) == text.encode()
    as_tokens = by_bytes.tokenize(text, special=True)
    assert b"".join(map(by_bytes.piece, as_tokens)) == b"hi"
    assert by_bytes.ends(as_tokens[-1])
    assert not any(map(by_bytes.ends, [*as_text, *as_tokens[:-1]]))


def test_the_beginning_is_marked_once(by_bytes: OnnxVocabulary) -> None:
    (bos,) = by_bytes.tokenize("", special=True)
    assert by_bytes.tokenize("<begin>hi", special=True) == by_bytes.tokenize("hi", special=True)
    assert by_bytes.tokenize("hi", special=False)[0] == bos
    assert by_bytes.tokenize("<begin>", special=False).count(bos) == 1
    assert by_bytes.piece(bos) == b""


def test_a_model_that_wants_no_beginning_gets_none(folder: Path, tmp_path: Path) -> None:
    card = json.loads((folder / "model.json").read_text()) | {"add_bos": False}
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    assert OnnxVocabulary(tmp_path / "model.onnx").tokenize("", special=True) == []


def test_added_words_have_bytes_and_control_tokens_none(by_pieces: OnnxVocabulary) -> None:
    word, turn = by_pieces.tokenize("\n\n<turn>", special=True)
    assert (by_pieces.piece(word), by_pieces.piece(turn)) == (b"\n\n", b"")


def test_a_token_beyond_the_vocabulary_stands_for_nothing(by_bytes: OnnxVocabulary) -> None:
    assert by_bytes.piece(100_000) == b""


@pytest.mark.parametrize("which", ["by_bytes", "by_pieces"])
def test_no_piece_is_longer_than_said(request: pytest.FixtureRequest, which: str) -> None:
    vocabulary: OnnxVocabulary = request.getfixturevalue(which)
    assert max(len(vocabulary.piece(token)) for token in range(400)) <= vocabulary.longest_piece


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"version": "1.0"}'])
def test_what_is_no_tokenizer_says_so(folder: Path, tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "model.json").write_bytes((folder / "model.json").read_bytes())
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"cannot load .*tokenizer\.json: \w+"):
        OnnxVocabulary(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (b"", "cannot read"),
        (b'{"kind": "tensors"}', "kind is 'tensors'"),
        (b'{"kind": "language", "context": 5}', "layers is missing"),
        (b'{"kind": "language", "context": "5"}', r"\$\.context"),
    ],
)
def test_a_card_that_is_none_of_a_language_model_says_so(
    tmp_path: Path, change: bytes, said: str
) -> None:
    (tmp_path / "model.json").write_bytes(change)
    with pytest.raises(ModelFileError, match=rf"model\.json.*{said}|{said}.*model\.json"):
        OnnxVocabulary(tmp_path / "model.onnx")
