"""The card and the vocabulary of an ONNX language model, without its weights."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock

import msgspec
from tokenizers import Tokenizer

from edge_rt.backends.base import fingerprint, going_on
from edge_rt.core.errors import ModelFileError

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "\u2581"  # how SentencePiece writes a space


class OnnxCard(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a card that running the model needs; sizes in tokens or numbers as named."""

    kind: str
    context: int = 0
    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    vocab: int = 0
    add_bos: bool = False
    bos_id: int | None = None
    end_ids: list[int] = []


def read_card(graph: Path) -> OnnxCard:
    """Return the card beside `graph`; ModelFileError if it is not that of a language model."""
    path = graph.with_name("model.json")
    if path.is_fifo():  # reading would wait for the writer of a FIFO
        raise ModelFileError(f"{path}: not a regular file")
    try:
        card = msgspec.json.decode(path.read_bytes(), type=OnnxCard)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"cannot read {path}: {error}") from error
    if card.kind != "language":
        raise ModelFileError(f"{path}: kind is {card.kind!r:.80}, not 'language'")
    for name in ("context", "layers", "heads", "kv_heads", "head_dim", "vocab"):
        if getattr(card, name) < 1:
            raise ModelFileError(f"{path}: {name} is missing or less than 1")
    return card


class OnnxVocabulary:
    """Reads tokenizer.json beside the graph; see PromptVocabulary for the methods' contract."""

    def __init__(self, graph: Path, card: OnnxCard | None = None) -> None:
        """For the model at `graph`; `card` spares reading it again.

        Raises ModelFileError, with the library's own words, when it cannot be loaded.
        """
        card = card or read_card(graph)
        self.vocab = card.vocab
        self._tokenizer = load_tokenizer(graph)
        self._bos = card.bos_id if card.add_bos else None
        self._ends = frozenset(card.end_ids)
        added = self._tokenizer.get_added_tokens_decoder()
        self._added = {i: b"" if t.special else t.content.encode() for i, t in added.items()}
        self._marks = {i: t.content.encode() for i, t in added.items() if t.special}
        self._cutting = Lock()  # grammars are cut beside prompts
        decoder = self._tokenizer.decoder
        by_bytes = decoder is not None and b'"ByteLevel"' in decoder.__getstate__()
        self._alphabet = _alphabet() if by_bytes else None  # that of byte-level BPE
        self._pieces: dict[int, bytes] = {}
        ids = self._tokenizer.get_vocab(with_added_tokens=True)
        texts = [text.encode() for text in sorted(ids, key=ids.__getitem__)]
        self.longest_piece: int = max(map(len, texts))
        self.fingerprint: str = fingerprint(texts)

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        with self._cutting:
            self._tokenizer.encode_special_tokens = not special
            if not begins:
                return going_on(self._cut, text)
            tokens = self._cut(text)
        if self._bos is None or tokens[:1] == [self._bos]:
            return tokens  # the template had written it out already
        return [self._bos, *tokens]

    def _cut(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def piece(self, token: int) -> bytes:
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token)
        return known

    def _piece(self, token: int) -> bytes:
        if token in self._added:
            return self._added[token]
        text = self._tokenizer.id_to_token(token)
        if text is None:  # logits may be wider than the vocabulary
            return b""
        if self._alphabet is not None:
            return bytes(self._alphabet[letter] for letter in text)
        byte = _BYTE.fullmatch(text)
        return bytes.fromhex(byte[1]) if byte else text.replace(_SPACE, " ").encode()

    def mark(self, token: int) -> bytes:
        """Return how a control token is written in prompts; empty for others."""
        return self._marks.get(token, b"")

    def ends(self, token: int) -> bool:
        return token in self._ends

    def close(self) -> None:
        """Do nothing: it holds no memory but Python's."""


def load_tokenizer(graph: Path) -> Tokenizer:
    """tokenizer.json beside `graph`, which cuts off and fills up nothing; ModelFileError."""
    path = graph.with_name("tokenizer.json")
    if path.is_fifo():  # the library would wait for the writer of a FIFO
        raise ModelFileError(f"{path}: not a regular file")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare ones
        raise ModelFileError(f"tokenizers cannot load {path}: {error}") from error
    tokenizer.no_padding()  # files carry what their maker had set, such as 128 tokens for all
    tokenizer.no_truncation()
    return tokenizer


def _alphabet() -> dict[str, int]:
    """Return the byte of each letter of byte-level BPE (GPT-2's `bytes_to_unicode`)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): byte for byte in plain}
    return letters | {chr(0x100 + i): byte for i, byte in enumerate(others)}
