"""How byte-level BPE tokenizers cut text into words before merging, by the names GGUF gives them.

The expressions are part of what the models were trained with; they are written here as llama.cpp
applies them, one after the other, each to what the one before left together.
"""

from __future__ import annotations

from typing import Any

from edge_rt_convert import ConvertError

_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_ANY_CASE = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_SPACES = r"\s+(?!\S)"
_OTHERS = r" ?[^\s\p{L}\p{N}]+"
_LINES = r"\s*[\r\n]+"

_GPT2 = rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+|{_OTHERS}|{_SPACES}"
_DIGIT_FIRST = (r"\p{N}", _GPT2)


def _later(digits: str) -> str:
    """The expression of llama 3 and its kin, which differ in how digits go together."""
    letters = r"[^\r\n\p{L}\p{N}]?\p{L}+"
    return rf"{_ANY_CASE}|{letters}|{digits}|{_OTHERS}[\r\n]*|{_LINES}|{_SPACES}|\s+"


_LLAMA3 = (_later(r"\p{N}{1,3}"),)
_QWEN2 = (_later(r"\p{N}"),)
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")

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
_WHOLE_WORDS = ("llama-bpe",)  # a word that is a token is not merged from its letters


def pre_tokenizer(name: str) -> dict[str, Any]:
    """The part of tokenizer.json of that name; raises ConvertError where it is not known."""
    if name not in _EXPRESSIONS:
        known = ", ".join(_EXPRESSIONS)
        raise ConvertError(f"tokenizer.ggml.pre is {name!r}, which is not known; known are {known}")
    splits = [_split(expression) for expression in _EXPRESSIONS[name]]
    return {"type": "Sequence", "pretokenizers": [*splits, byte_level()]}


def whole_words(name: str) -> bool:
    """Whether a word that is itself a token stays whole."""
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
