"""tokenizer.json, written out of the vocabulary that a GGUF carries.

It tokenises as llama.cpp does with the same GGUF. Control tokens are "special": with
`encode_special_tokens` their text is plain text, as in llama.cpp without `parse_special`. Whether
a beginning-of-sequence token comes first is left to the model's card.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_rt_convert import ConvertError
from edge_rt_convert.source import Source

_SPACE = "\u2581"  # how SentencePiece writes a space
_UNKNOWN, _CONTROL, _USER = 2, 3, 4  # token types of GGUF
# How byte-level BPE tokenizers cut text into words before merging, by the names GGUF gives them.
# The expressions are part of what the models were trained with; they are written here as llama.cpp
# applies them, one after the other, each to what the one before left together.
_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_ANY_CASE = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_SPACES = r"\s+(?!\S)"
_OTHERS = r" ?[^\s\p{L}\p{N}]+"
_LINES = r"\s*[\r\n]+"
_GPT2 = rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+|{_OTHERS}|{_SPACES}"
_DIGIT_FIRST = (r"\p{N}", _GPT2)
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")
_WHOLE_WORDS = ("llama-bpe",)  # a word that is a token is not merged from its letters


def tokenizer_json(source: Source) -> dict[str, Any]:
    """The document; raises ConvertError for a kind of tokenizer that is not known."""
    kind = source.need("tokenizer.ggml.model")
    if kind not in _KINDS:
        raise ConvertError(f"tokenizer.ggml.model is {kind!r}; known are {', '.join(_KINDS)}")
    tokens = source.need("tokenizer.ggml.tokens")
    types = source.value("tokenizer.ggml.token_type") or [1] * len(tokens)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(tokens, types),
        "post_processor": None,
        **_KINDS[kind](source, tokens),
    }


def _added(tokens: Sequence[str], types: Sequence[int]) -> list[dict[str, Any]]:
    """Tokens that are looked for in the text before anything else."""
    sorts = (_UNKNOWN, _CONTROL, _USER)
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return [
        {"id": id, "content": text, **usual, "special": sort != _USER}
        for id, (text, sort) in enumerate(zip(tokens, types, strict=True))
        if sort in sorts and text
    ]


def _byte_level(source: Source, tokens: Sequence[str]) -> dict[str, Any]:
    pre = source.value("tokenizer.ggml.pre", "default")
    merges = [merge.split(" ", 1) for merge in source.need("tokenizer.ggml.merges")]
    return {
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer(pre),
        "decoder": byte_level(),
        "model": _bpe(tokens, merges, ignore_merges=whole_words(pre)),
    }


def _sentence_piece(source: Source, tokens: Sequence[str]) -> dict[str, Any]:
    prefix = bool(source.value("tokenizer.ggml.add_space_prefix", True))
    unknown = int(source.value("tokenizer.ggml.unknown_token_id", 0))
    merges = _merges(tokens, source.need("tokenizer.ggml.scores"))
    settings = {"byte_fallback": True, "fuse_unk": True, "unk_token": tokens[unknown]}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    start = [{"type": "Prepend", "prepend": _SPACE}] if prefix else []
    back = {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "}
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    steps = [back, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*start, spaces]},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": steps},
        "model": _bpe(tokens, merges, **settings),
    }


_KINDS = {"gpt2": _byte_level, "llama": _sentence_piece}


def _bpe(tokens: Sequence[str], merges: Sequence[Sequence[str]], **settings: Any) -> dict[str, Any]:
    usual = {
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
    }
    vocab = {text: id for id, text in enumerate(tokens)}
    return {"type": "BPE", **usual, **settings, "vocab": vocab, "merges": merges}


def _merges(tokens: Sequence[str], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Every pair of tokens that makes a third, the one that makes the best-scored first."""
    known = set(tokens)
    best_first = sorted(range(len(tokens)), key=lambda id: (-scores[id], id))
    return [
        (text[:cut], text[cut:])
        for text in (tokens[id] for id in best_first)
        for cut in range(1, len(text))
        if text[:cut] in known and text[cut:] in known
    ]


def _later(digits: str) -> str:
    """The expression of llama 3 and its kin, which differ in how digits go together."""
    letters = r"[^\r\n\p{L}\p{N}]?\p{L}+"
    return rf"{_ANY_CASE}|{letters}|{digits}|{_OTHERS}[\r\n]*|{_LINES}|{_SPACES}|\s+"


_LLAMA3 = (_later(r"\p{N}{1,3}"),)
_QWEN2 = (_later(r"\p{N}"),)

_EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "default": _DEFAULT,
    "gpt-2": (_GPT2,),
    "smollm": _DIGIT_FIRST,
    "starcoder": _DIGIT_FIRST,
    "refact": _DIGIT_FIRST,
    "command-r": _DIGIT_FIRST,
    "codeshell": _DIGIT_FIRST,
    "exaone": _DIGIT_FIRST,
    "llama-bpe": _LLAMA3,
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
}


def pre_tokenizer(name: str) -> dict[str, Any]:
    """The part of tokenizer.json of that name; raises ConvertError where it is not known."""
    if name not in _EXPRESSIONS:
        known = ", ".join(_EXPRESSIONS)
        raise ConvertError(f"tokenizer.ggml.pre is {name!r}, which is not known; known are {known}")
    splits = [_split(expression) for expression in _EXPRESSIONS[name]]
    return {"type": "Sequence", "pretokenizers": [*splits, byte_level()]}


def whole_words(name: str) -> bool:
    """Return whether a word that is itself a token stays whole."""
    return name in _WHOLE_WORDS


def byte_level() -> dict[str, Any]:
    """Bytes written as letters, and back."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }


def _split(expression: str) -> dict[str, Any]:
    pattern = {"Regex": expression}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
