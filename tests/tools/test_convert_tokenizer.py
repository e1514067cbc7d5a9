"""tokenizer.json against llama.cpp's own tokenizer, over vocabularies that show every cut."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_rt_convert import ConvertError
from edge_rt_convert.source import Source
from edge_rt_convert.tokenizer import tokenizer_json
from tiny_gguf import Tiny, Vocabulary, byte_level, sentence_piece, write_tiny
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from edge_rt.backends.llama.model import LlamaVocabulary

TEXTS = (
    "",
    " ",
    "\n",
    "  leading and   runs \n\n\n of\t\tspace  \n x",
    "1234567890 12 3.14 ½ ² ٣٤",
    "def f(x):\n    return x**2 # ok\n\n\tif a!=b: pass\r\n\r\n",
    "😀👨‍👩‍👧 naïve café e\u0301 Ångström",
    "日本語テスト 中文字符 한국어 हिन्दी עברית العربية",
    "I'm you're THEY'LL don'T it'S",
    "<|im_start|>user\nHi<|im_end|>\n<tool> x<tool><|im_start",
    "\u00a0\u2003\u3000x \u200b y \x00\x01\x7f",
    "$100 + <b>~|^=</b> «quote» — …",
)
LETTERS = " \n\t\r'a1éß½中😀.,!<|>sSTtdDmM\u00a0\u3000\u0301_-\u2028$+=~^LlRrEeVv23456789"
PIECES = ["hello", " ", "world", "\n", "  ", "<b>", "é", "😀", "h", "l", "<eos>", "<unk>", "▁"]
PRE = ("default", "gpt-2", "smollm", "starcoder", "llama-bpe", "qwen2", "deepseek-r1-qwen")


def joined(parts: str | list[str], count: int) -> Iterator[str]:
    dice = random.Random(1)
    for _ in range(count):
        yield "".join(dice.choice(parts) for _ in range(dice.randint(1, 30)))


@pytest.fixture(scope="module")
def merges() -> tuple[str, ...]:
    """Merges across all borders that a pre-tokenizer may draw."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=alphabet, show_progress=False, max_token_length=6
    )
    tokenizer.train_from_iterator([*joined(LETTERS, 1000), *TEXTS], trainer)
    made = json.loads(tokenizer.to_str())["model"]["merges"]
    return tuple(" ".join(pair) for pair in made)


def both(tmp_path: Path, vocabulary: Vocabulary) -> tuple[LlamaVocabulary, Tokenizer]:
    tiny = Tiny(layers=1, embedding=32, heads=1, kv_heads=1, head_dim=32, feed_forward=32)
    path = write_tiny(tmp_path / "tiny.gguf", tiny, vocabulary)
    ours = Tokenizer.from_str(json.dumps(tokenizer_json(Source(path))))
    return LlamaVocabulary(path), ours


def ours_of(tokenizer: Tokenizer, text: str, special: bool) -> list[int]:
    tokenizer.encode_special_tokens = not special
    return tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("pre", PRE)
def test_byte_level_tokens_are_those_of_llama_cpp(
    tmp_path: Path, merges: tuple[str, ...], pre: str, special: bool
) -> None:
    theirs, ours = both(tmp_path, byte_level(pre, merges))
    bos = theirs.tokenize("", special=True)  # some kinds begin with one
    for text in (*TEXTS, *joined(LETTERS, 300)):
        assert [*bos, *ours_of(ours, text, special)] == theirs.tokenize(text, special=special), text


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("prefix", [True, False])
def test_sentence_piece_tokens_are_those_of_llama_cpp(
    tmp_path: Path, prefix: bool, special: bool
) -> None:
    theirs, ours = both(tmp_path, sentence_piece(prefix))
    for text in (*TEXTS, *joined(PIECES, 300)):
        assert [2, *ours_of(ours, text, special)] == theirs.tokenize(text, special=special), text


@pytest.mark.parametrize("vocabulary", [byte_level("qwen2"), sentence_piece(False)])
def test_text_comes_back_from_its_tokens(tmp_path: Path, vocabulary: Vocabulary) -> None:
    _, ours = both(tmp_path, vocabulary)
    for text in TEXTS:
        tokens = ours_of(ours, text, special=False)
        assert ours.decode(tokens, skip_special_tokens=False) == text


def test_a_pre_tokenizer_that_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"pre is 'made-up', which is not known; known are def"):
        both(tmp_path, byte_level("made-up"))


def test_a_kind_that_is_not_known_is_named(tmp_path: Path) -> None:
    kind = Vocabulary("rwkv", ["a", "b"], [1, 1], [0.0, 0.0], {})
    with pytest.raises(ConvertError, match="model is 'rwkv'; known are gpt2, llama"):
        both(tmp_path, kind)
