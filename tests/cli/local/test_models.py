"""`models` shows and changes the store without a daemon, and its exit codes tell how it went."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from onnx import TensorProto, helper
from tiny_file import tiny_catalogue, tiny_model

from edge_rt.models.catalogue import load_catalogue

Cli = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "My-Model.gguf"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, environ: dict[str, str]) -> Path:
    """The state directory of the installation, and a cache that is empty."""
    environ["STATE_DIRECTORY"] = str(tmp_path / "state")
    environ["EDGE_RT_CACHE"] = str(tmp_path / "cache")
    environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # the port of "discard": nobody listens
    return tmp_path / "state"


@pytest.fixture
def catalogue(tmp_path: Path, environ: dict[str, str], file: Path) -> Path:
    """A catalogue of the user that knows `file`."""
    path = tmp_path / "catalogue.yaml"
    path.write_text(tiny_catalogue(file.read_bytes(), "[bold]A test"))
    config = Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml"
    config.write_text(f"models: {{catalogue: [{path}]}}\n")
    return path


def test_an_added_model_is_listed(cli: Cli, file: Path, state: Path) -> None:
    assert cli("models", "add", str(file)).stdout == "my-model\n"
    assert (state / "models" / "my-model" / "My-Model.gguf").is_file()
    shown = cli("models", "list").stdout
    assert shown.splitlines()[0].split() == [
        "id", "kind", "variant", "size", "parameters", "context", "licence",
    ]  # fmt: skip
    assert shown.splitlines()[1].split()[:2] == ["*", "my-model"]
    assert shown.splitlines()[1].split()[3] == "llama.cpp-f32"
    assert "llama.cpp-f32" in cli("models", "show", "my-model").stdout
    assert "smollm2-135m-instruct" in shown  # what could be pulled


def test_the_default_is_marked(cli: Cli, file: Path, environ: dict[str, str]) -> None:
    for id in ("other", "mine"):
        cli("models", "add", str(file), "--id", id)
    manifest = Path(environ["STATE_DIRECTORY"]) / "models" / "manifest.json"
    document = json.loads(manifest.read_text())
    for model in document["models"]:
        model["created"] = {"other": 10, "mine": 20}[model["id"]]
    manifest.write_text(json.dumps(document))

    def marked() -> list[str]:
        table = [
            line.split() for line in cli("models", "list").stdout.split("\n\n")[0].splitlines()
        ]
        models = json.loads(cli("models", "list", "--json").stdout)["models"]
        default = [model["id"] for model in models if model["default"]]
        assert [row[1] for row in table if row[0] == "*"] == default
        return default

    assert marked() == ["other"]
    config = Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml"
    config.write_text("models: {default: mine}")
    assert marked() == ["mine"]
    config.write_text("models: {default: absent}")
    assert marked() == []


def test_the_default_is_set_and_shown_with_its_reason(
    cli: Cli, file: Path, environ: dict[str, str]
) -> None:
    result = cli("models", "default")
    assert result.exit_code == 4
    assert "has no default model: run edge-rt models pull" in result.stderr
    for id in ("one", "two"):
        cli("models", "add", str(file), "--id", id)
    result = cli("models", "default")
    assert (result.stdout, result.exit_code) == ("one\n", 0)
    assert "fit this machine's memory" in result.stderr
    assert cli("models", "default", "two").stdout == "two\n"
    told = json.loads(cli("models", "default", "--json").stdout)
    assert told == {"id": "two", "why": "`edge-rt models default` has set it"}
    assert "has set it" in cli("models", "default").stderr
    models = json.loads(cli("models", "list", "--json").stdout)["models"]
    assert [model["id"] for model in models if model["default"]] == ["two"]
    assert cli("models", "default", "three").exit_code == 4
    config = Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml"
    config.write_text("models: {default: one}")
    result = cli("models", "default", "two")
    assert result.stdout == "one\n"
    assert "models.default of the configuration names one" in result.stderr
    config.write_text("models: {default: absent}")
    assert "names absent, which is not there" in cli("models", "default").stderr


def test_without_an_id_the_model_that_fits_is_pulled_and_its_size_told(
    cli: Cli, catalogue: Path, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache" / "models").mkdir(parents=True)
    (tmp_path / "cache" / "models" / "tiny.gguf").write_bytes(file.read_bytes())
    text = catalogue.read_text().rstrip()
    entry = text.partition("models:")[2]
    # Untested namesakes of what comes with edge_rt, which would be fetched.
    others = [entry.replace("id: tiny", f"id: {known.id}") for known in load_catalogue()]
    tested = "\n    quality: {figures: {arc: 0.5}}"
    catalogue.write_text("".join([text, tested, *others, "\n"]))
    result = cli("models", "pull")
    assert result.exit_code == 0
    assert f"tiny ({file.stat().st_size} B) is the model to start with" in result.stderr
    assert "100 % Checking tiny" in result.stderr  # a file from the cache is copied
    assert cli("models", "default").stdout == "tiny\n"


def test_json_is_one_object(cli: Cli, file: Path, state: Path) -> None:
    cli("models", "add", str(file), "--id", "mine")
    document: dict[str, Any] = json.loads(cli("models", "list", "--json").stdout)
    assert document["store"] == str(state / "models")
    (model,) = document["models"]
    edge = model["edge"]
    assert (model["id"], edge["parameters"], edge["context"]) == ("mine", 8, 256)
    assert edge["variant"] == "llama.cpp-f32"
    assert edge["size_bytes"] == file.stat().st_size
    assert "smollm2-135m-instruct" in [entry["id"] for entry in document["pullable"]]


def test_few_parameters_are_counted_one_by_one(cli: Cli, file: Path) -> None:
    cli("models", "add", str(file), "--id", "mine")
    lines = cli("models", "show", "mine").stdout.splitlines()
    assert ["parameters", "8"] in [line.split() for line in lines]


def test_an_empty_store_says_where_it_is(cli: Cli, state: Path) -> None:
    assert cli("models", "list").stdout.startswith(f"No models in {state / 'models'}.\n")
    assert not state.exists()


def test_the_configured_store_counts_and_a_named_one_wins(
    cli: Cli, file: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    config = Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml"
    config.write_text(f"models: {{store: {tmp_path / 'configured'}}}\n")
    other = tmp_path / "other.yaml"
    other.write_text(f"models: {{store: {tmp_path / 'other'}}}\n")
    for words, place in (
        ([], "configured"),
        (["--config", str(other)], "other"),
        (["--store", str(tmp_path / "named")], "named"),
    ):
        assert cli("models", "add", str(file), *words).exit_code == 0
        assert (tmp_path / place / "my-model").is_dir()


def test_a_catalogue_of_the_user_is_shown_and_never_markup(cli: Cli, catalogue: Path) -> None:
    shown = cli("models", "list").stdout
    assert "[bold]A test" in shown
    catalogue.write_text("models: 1")
    result = cli("models", "list")
    assert result.exit_code == 6
    assert f"{catalogue}: models" in result.stderr


def test_pull_takes_what_the_cache_has(
    cli: Cli, catalogue: Path, file: Path, tmp_path: Path, state: Path
) -> None:
    cached = tmp_path / "cache" / "models" / "tiny.gguf"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(file.read_bytes())
    result = cli("models", "pull", "tiny")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"tiny is in the store: {state / 'models' / 'tiny'}" in result.stderr
    assert cli("models", "pull", "tiny").exit_code == 0
    assert "\n* tiny " in cli("models", "list").stdout
    (model,) = json.loads(cli("models", "list", "--json").stdout)["models"]
    assert model["edge"]["licence"] == "MIT"


def test_pull_says_which_model_is_the_default_and_how_to_go_back(
    cli: Cli, catalogue: Path, file: Path, tmp_path: Path
) -> None:
    cached, large = tmp_path / "cache" / "models" / "tiny.gguf", tmp_path / "large.gguf"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(file.read_bytes())
    large.write_bytes(tiny_model(width=16))
    assert "tiny is the default model.\n" in cli("models", "pull", "tiny").stderr
    assert cli("models", "default").stdout == "tiny\n"
    told = cli("models", "add", str(large), "--id", "large").stderr
    assert "large is the default model now, for it answers best" in told
    assert "edge-rt models default tiny" in told
    assert cli("models", "default").stdout == "large\n"
    cli("models", "remove", "tiny")
    assert "large is the default model.\n" in cli("models", "pull", "tiny").stderr


def test_pull_says_that_it_mends_a_damaged_model(
    cli: Cli, catalogue: Path, file: Path, tmp_path: Path, state: Path
) -> None:
    cached = tmp_path / "cache" / "models" / "tiny.gguf"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(file.read_bytes())
    cli("models", "pull", "tiny")
    stored = state / "models" / "tiny" / "tiny.gguf"
    stored.write_bytes(b"damaged")
    result = cli("models", "pull", "tiny")
    assert result.exit_code == 0
    assert "fetching it again" in result.stderr
    assert stored.read_bytes() == cached.read_bytes()


def test_pull_says_why_not(cli: Cli, catalogue: Path) -> None:
    result = cli("models", "pull", "tiny")
    assert result.exit_code == 5
    assert "tiny could not be fetched:\n  hub, someone/tiny: http://127.0.0.1:9/" in result.stderr
    result = cli("models", "pull", "unknown")
    assert result.exit_code == 4
    assert "smollm2-135m-instruct" in result.stderr
    assert "name one of the hub as hf:OWNER/REPOSITORY" in result.stderr


def test_an_empty_name_pulls_nothing(cli: Cli, state: Path) -> None:
    result = cli("models", "pull", "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "ID is empty" in result.stderr
    assert not (state / "models").exists()


def test_verify_tells_the_good_from_the_bad(cli: Cli, file: Path, state: Path) -> None:
    for id in ("good", "bad"):
        cli("models", "add", str(file), "--id", id)
    with (state / "models" / "bad" / "My-Model.gguf").open("ab") as sink:
        sink.write(b"!")
    result = cli("models", "verify")
    assert result.exit_code == 1
    bad, good = result.stdout.splitlines()
    assert good == "good: ok"
    assert bad.startswith("bad: ")
    assert "damaged or changed" in bad
    told = json.loads(cli("models", "verify", "--json").stdout)["models"]
    assert [(one["id"], one["ok"]) for one in told] == [("bad", False), ("good", True)]
    assert "damaged or changed" in told[0]["why"]
    assert cli("models", "verify", "good").exit_code == 0
    assert cli("models", "verify", "none").exit_code == 4


def test_a_removed_model_is_gone(cli: Cli, file: Path) -> None:
    cli("models", "add", str(file), "--id", "mine", "--move")
    assert not file.exists()
    assert cli("models", "remove", "mine").exit_code == 0
    result = cli("models", "remove", "mine")
    assert result.exit_code == 4
    assert "it is empty" in result.stderr


def test_what_is_no_model_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    for name in ("x.gguf", "missing.gguf"):
        result = cli("models", "add", str(tmp_path / name))
        assert result.exit_code == 1
        assert name in result.stderr


def test_where_no_line_can_be_redrawn_only_the_result_is_shown(
    cli: Cli, terminal: Callable[..., Any], file: Path, state: Path
) -> None:
    store = f"Store: {state / 'models'} (STATE_DIRECTORY)"
    shown = terminal("models", "add", str(file)).rest()
    told = f"{store}\nmy-model is the default model.\n"
    assert re.sub(r"\x1b\[\d*m", "", shown) == f"{told}my-model\n"
    assert cli("models", "add", str(file), "--id", "other").stderr == told


# --- ONNX, and models made of others ---------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an ONNX graph and a tokenizer, and no card."""
    path = tmp_path / "Vectors"
    path.mkdir()
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["x2"])], "tiny", [x], [x])
    (path / "model.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    (path / "tokenizer.json").write_text("{}")
    return path


def test_what_is_not_known_of_a_folder_is_asked_for(cli: Cli, folder: Path) -> None:
    result = cli("models", "add", str(folder))
    assert (result.exit_code, "--pooling mean, cls or last" in result.stderr) == (1, True)
    (folder / "tokenizer.json").write_text('{"truncation": {"max_length": 64}}')
    words = ["--pooling", "mean"]
    assert cli("models", "add", str(folder), *words).stdout == "vectors\n"
    row = cli("models", "list").stdout.splitlines()[1].split()
    assert row[:2] == ["vectors", "embedding"]


def test_a_model_is_shown_with_all_its_files(cli: Cli, folder: Path, state: Path) -> None:
    (folder / "tokenizer.json").write_text('{"truncation": {"max_length": 64}}')
    cli("models", "add", str(folder), "--pooling", "mean", "--id", "mine")
    shown = cli("models", "show", "mine").stdout
    for words in ("embedding", "onnx", "model.json", "tokenizer.json", str(state / "models/mine")):
        assert words in shown
    document = json.loads(cli("models", "show", "mine", "--json").stdout)
    edge = document["edge"]
    assert (edge["kind"], edge["backend"]) == ("embedding", "onnx")
    names = ["model.onnx", "tokenizer.json", "model.json"]
    assert [file["name"] for file in edge["files"]] == names
    assert cli("models", "show", "none").exit_code == 4


def test_a_model_is_shown_with_those_that_it_answers_with(
    cli: Cli, file: Path, state: Path
) -> None:
    for id in ("big", "tiny"):
        cli("models", "add", str(file), "--id", id)
    own = state / "pairs.yaml"
    own.write_text(
        "pairs:\n"
        "  - {large: big, small: tiny, mode: switch:entropy, threshold: 0.5}\n"
        "  - {large: big, small: gone}\n"
    )
    configuration = state / "config.yaml"
    configuration.write_text(f"models: {{catalogue: ['{own}']}}\n")
    shown = ("models", "show", "--config", str(configuration))
    rows = [line.split() for line in cli(*shown, "big").stdout.splitlines()]
    assert ["large", "small", "mode", "threshold", "there"] in rows
    assert ["big", "tiny", "switch:entropy", "0.500", "yes"] in rows
    assert ["big", "gone", "-", "-", "no"] in rows
    assert "switch:entropy" in cli(*shown, "tiny").stdout
    first, second = json.loads(cli(*shown, "big", "--json").stdout)["edge"]["pairs"]
    assert first == {
        "large": "big",
        "small": "tiny",
        "mode": "switch:entropy",
        "large_share": None,
        "threshold": 0.5,
        "there": True,
    }
    assert (second["mode"], second["there"]) == (None, False)


def test_a_model_in_another_format_names_its_source(cli: Cli, smollm2: Path) -> None:
    cli("models", "add", str(smollm2))
    result = cli("models", "quantize", "smollm2-135m-instruct", "Q8_0", "--threads", "1")
    assert result.stdout == "smollm2-135m-instruct-q8_0\n"
    shown = cli("models", "show", "smollm2-135m-instruct-q8_0").stdout
    assert re.search(r"made from +smollm2-135m-instruct\n", re.sub(r" +\n", "\n", shown))
    result = cli("models", "quantize", "smollm2-135m-instruct", "Q8")
    assert (result.exit_code, "there are Q8_0" in result.stderr) == (1, True)


def test_help_says_which_command_uses_the_network(cli: Cli) -> None:
    assert "Only `pull` uses the network." in " ".join(cli("models", "--help").stdout.split())
