from __future__ import annotations

import errno
import hashlib
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_gguf import Tiny, byte_level, write_tiny

from edge_rt.cli.local.models_convert import convert_model
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.formats.card import CARD, LanguageModelCard, read_card

SIZES = Tiny(layers=1, embedding=64, heads=1, kv_heads=1, feed_forward=64)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.gguf", SIZES, byte_level("qwen2"), "Q4_1")


def convert(*words: str | Path) -> Result:
    return CliRunner().invoke(convert_model, [*map(str, words), "--tokens", "40"])


def test_a_model_is_converted_checked_and_entered(gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "tiny-onnx"
    found = convert(gguf, folder)
    assert found.exit_code == 0, found.output
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.onnx", "model.onnx.data", "tokenizer.json", CARD}
    report = json.loads((tmp_path / "out/tiny-onnx.check.json").read_text())
    assert report["check"]["passed"] is True
    for name, sha256 in report["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(found.stdout)
    entry = load_catalogue([catalogue]).get("tiny-onnx")
    assert entry.card == read_card(folder / CARD)
    assert {file.name: file.sha256 for file in entry.files}.items() <= report["files"].items()


def test_the_card_tells_what_the_file_says(gguf: Path, tmp_path: Path) -> None:
    assert convert(gguf, tmp_path / "x", "--no-check").exit_code == 0
    card = read_card(tmp_path / "x" / CARD)
    assert isinstance(card, LanguageModelCard)
    assert (card.architecture, card.quantisation, card.context) == ("llama", "int4", 256)
    assert (card.layers, card.heads, card.kv_heads, card.head_dim) == (1, 1, 1, 64)
    assert card.source_sha256 == hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert (card.bos_token, card.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert card.bos_id is not None
    assert card.end_ids == [card.bos_id + 1]
    assert card.add_bos is False


def test_without_a_check_the_report_has_none(gguf: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert convert(gguf, tmp_path / "x", "--no-check", "--report", report).exit_code == 0
    assert json.loads(report.read_text())["check"] is None


def test_a_text_can_be_given(gguf: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("hello world <|im_end|> <tool> " * 5)
    found = convert(gguf, tmp_path / "x", "--text", text, "--bits", "8")
    assert found.exit_code == 0, found.output
    report = json.loads((tmp_path / "x.check.json").read_text())
    assert report["check"]["rows"]["ONNX, in batches"]["positions"] == 40
    assert read_card(tmp_path / "x" / CARD).quantisation == "int8"


def test_a_missing_extra_is_named(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    for name in [name for name in sys.modules if name.startswith("edge_rt_convert.")]:
        monkeypatch.delitem(sys.modules, name)
    found = convert(gguf, tmp_path / "x")
    assert found.exit_code == 1
    assert "pip install 'edge-rt[convert]'" in found.output
    assert not (tmp_path / "x").exists()


def test_what_is_there_is_left_alone(gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "mine").touch()
    found = convert(gguf, folder)
    assert found.exit_code == 1
    assert "is there already" in found.output
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_disk_that_refuses_is_told(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edge_rt_convert.job.convert_gguf", refuse)
    found = convert(gguf, tmp_path / "out" / "x")
    assert (found.exit_code, type(found.exception)) == (1, SystemExit)
    assert "out/x: No space left on device" in found.output
    assert list((tmp_path / "out").iterdir()) == []


def test_a_report_that_cannot_be_written_is_told(gguf: Path, tmp_path: Path) -> None:
    report = tmp_path / "none" / "report.json"
    found = convert(gguf, tmp_path / "x", "--no-check", "--report", report)
    assert (found.exit_code, type(found.exception)) == (1, SystemExit)
    assert f"{report}: No such file or directory" in found.output


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    gguf = write_tiny(tmp_path / "tiny.gguf", SIZES, byte_level("made-up"))
    found = convert(gguf, tmp_path / "out" / "x")
    assert found.exit_code == 1
    assert "made-up" in found.output
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("share", [0.001, 0.1, 0.6, 0.999])
def test_a_file_that_was_cut_off_is_told(gguf: Path, tmp_path: Path, share: float) -> None:
    whole = gguf.read_bytes()
    gguf.write_bytes(whole[: int(share * len(whole))])
    found = convert(gguf, tmp_path / "x", "--no-check")
    assert found.exit_code == 1
    assert str(gguf) in found.stderr
    assert "truncated" in found.stderr
    assert isinstance(found.exception, SystemExit), "no traceback"
