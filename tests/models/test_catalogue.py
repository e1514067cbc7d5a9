"""What comes with edge_rt is sound; what users add is checked and wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.core.errors import ConfigError, ModelNotFound
from edge_rt.models.catalogue import Hub, Pypi, load_catalogue
from edge_rt.models.formats.card import EmbeddingCard

ENTRY = """
models:
  - id: {id}
    description: One of my own
    publisher: me
    licence: MIT
    backend: llama.cpp
    files: [{{name: my.gguf, bytes: 100, sha256: {sha}}}]
    sampling: {{temperature: 1}}
"""
SHA = "ab" * 32


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(ENTRY.format(id="my-model", sha=SHA))
    return path


def test_the_default_model_is_there() -> None:
    entry = load_catalogue().get("smollm2-135m-instruct")
    assert entry.sampling.given() == {"temperature": 0.2, "top_p": 0.9}
    assert entry.bytes == 98_362_432
    assert [type(source) for source in entry.files[0].sources] == [Pypi, Hub]


def test_parts_stand_in_order() -> None:
    for entry in load_catalogue():
        for source in [source for file in entry.files for source in file.sources]:
            members = [p.member for p in source.packages] if isinstance(source, Pypi) else []
            assert members == sorted(members, key=lambda member: (len(member), member))
            assert len({package.sha256 for package in getattr(source, "packages", [])}) == len(
                members
            )


@pytest.mark.parametrize("penalty", ["0", "-1.1", ".inf", ".nan"])
def test_a_recommendation_that_no_request_could_ask_for_is_refused(
    penalty: str, mine: Path
) -> None:
    mine.write_text(mine.read_text().replace("temperature: 1", f"repeat_penalty: {penalty}"))
    with pytest.raises(ConfigError, match="repeat_penalty"):
        load_catalogue([mine])


def test_an_embedding_model_is_there_with_its_card() -> None:
    entry = load_catalogue().get("all-minilm-l6-v2")
    assert [file.name for file in entry.files] == ["model.onnx", "tokenizer.json"]
    assert isinstance(entry.card, EmbeddingCard)
    assert (entry.card.embedding, entry.card.pooling, entry.card.normalise) == (384, "mean", True)
    assert entry.pullable


def test_figures_of_quality_are_read(mine: Path) -> None:
    quality = "    quality: {figures: {gsm8k: 0.31}, source: own run}\n"
    mine.write_text(mine.read_text() + quality)
    found = load_catalogue([mine]).get("my-model").quality
    assert found is not None
    assert (found.figures, found.source) == ({"gsm8k": 0.31}, "own run")


def test_own_entries_join(mine: Path) -> None:
    catalogue = load_catalogue([mine])
    assert catalogue.get("my-model").files[0].sources == []
    assert catalogue.find("smollm2-135m-instruct")
    assert catalogue.of_content(SHA) is catalogue.get("my-model")


def test_later_files_win(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(ENTRY.format(id="my-model", sha="cd" * 32))
    assert load_catalogue([mine, other]).get("my-model").sha256 == "cd" * 32


def test_pairs_come_with_it_and_own_ones_first(mine: Path) -> None:
    large, small = "qwen2.5-coder-1.5b-instruct", "qwen2.5-coder-0.5b-instruct"
    pairs = load_catalogue().pairs
    assert [(p.large, p.small) for p in pairs] == [(large, small)]
    assert all(load_catalogue().find(p.large) and load_catalogue().find(p.small) for p in pairs)
    mine.write_text(f"pairs: [{{large: {large}, small: {small}, mode: speculative}}]")
    own = load_catalogue([mine]).pairs
    assert (own[0].mode, own[1:]) == ("speculative", pairs)


def test_what_pairs_had_before_is_a_warning(mine: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine.write_text(
        "pairs:\n"
        "  - {large: a, small: b, mode: switch:early, threshold: 2, first: 4, kept: {arc: 1}}\n"
        "  - {large: a, small: c, mode: switch:entropy, large_share: 0.3}\n"
    )
    first, second = load_catalogue([mine]).pairs_of("a")
    assert (first.small, first.mode, first.threshold) == ("b", None, None)
    assert (second.mode, second.large_share) == ("switch:entropy", 0.3)
    for words in (
        "pairs[0].kept",
        "pairs[0].first",
        "pairs[0].mode: switch:early removed",
        "switch:entropy",
    ):
        assert words in caplog.text
    assert "pairs[1]" not in caplog.text


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    with pytest.raises(ModelNotFound, match=r"smollm2-135m-instruct.*models add"):
        load_catalogue().get("gpt-9")


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        (ENTRY.format(id="my-model", sha="xyz"), "models[0].files[0].sha256", "regex"),
        (ENTRY.format(id="../up", sha=SHA), "models[0].id", "regex"),
        (ENTRY.format(id="a", sha=SHA) + "    colour: red\n", "models[0]", "colour"),
        (
            ENTRY.format(id="a", sha=SHA) + ENTRY.format(id="a", sha=SHA)[9:],
            "models[1].id",
            "twice",
        ),
        (
            ENTRY.format(id="a", sha=SHA) + "    quality: {figures: {gsm8k: 31}}\n",
            "models[0].quality.figures[...]",
            "<= 1",
        ),
        (ENTRY.format(id="a", sha=SHA).replace("llama.cpp", "onnx"), "models[0]", "`card`"),
        (ENTRY.format(id="a", sha=SHA) + "    providers: [cuda]\n", "models[0]", "`providers`"),
        (
            ENTRY.format(id="a", sha=SHA) + "    providers: [a b]\n",
            "models[0].providers[0]",
            "regex",
        ),
        (ENTRY.format(id="a", sha=SHA).replace("my.gguf", "model.json"), "models[0]", "made from"),
        ("pairs: [{large: a, small: a}]", "pairs[0]", "`small`"),
        ("pairs: [{large: a, small: b, colour: red}]", "pairs[0]", "colour"),
        ("pairs: [{large: a, small: b}, {large: a, small: b}]", "pairs[1]", "a with b comes twice"),
        ("models: {}", "models", "array"),
        ("", "", "object"),
    ],
)
def test_faults_are_told_with_file_and_key(
    content: str, key: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_catalogue([path])
    assert (caught.value.file, caught.value.key) == (str(path), key)


def test_faults_of_yaml_have_a_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("models:\n  - id: [\n")
    with pytest.raises(ConfigError) as caught:
        load_catalogue([path])
    assert caught.value.line == 3


@pytest.mark.parametrize("content", ["models: !!bool x", "models: !!timestamp x"])
def test_a_value_that_its_tag_does_not_fit_is_told(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match="not YAML"):
        load_catalogue([path])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_catalogue([tmp_path / "none.yaml"])
