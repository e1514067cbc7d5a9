"""A file is a Config, or every fault in it has a file, a line, a key and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unreadable import KINDS

from edge_rt.config.loader import check, check_text, load
from edge_rt.config.schema import BudgetConfig, Config, GovernorConfig, Guard, Knobs
from edge_rt.core.errors import ConfigError

KEYS = st.sampled_from(
    [
        "socket",
        "tcp",
        "models",
        "engine",
        "requests",
        "knobs",
        "nvpmodel",
        "log",
        "path",
        "mode",
        "listen",
        "threads",
        "preload",
        "context",
        "level",
        "idle_unload_s",
        "api_key_sha256",
        "flash_attention",
        "smaller",
        "budget",
        "power_w",
        "energy_period",
        "governor",
        "guard",
        "sacrifice",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.binary(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
SECTIONS = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4)


def faults(text: str) -> list[str]:
    return [str(fault) for fault in check_text(text.encode(), "config.yaml")[1]]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "engine:\n", "engine: {}"])
def test_nothing_said_means_defaults(text: str) -> None:
    assert check_text(text.encode(), "f") == (Config(), [])


def test_values_reach_their_fields() -> None:
    text = "engine:\n  threads: 2\n  flash_attention: no\nmodels:\n  idle_unload_s: 5\n"
    config, found = check_text(text.encode(), "f")
    assert found == []
    assert (config.engine.threads, config.engine.flash_attention) == (2, False)
    assert config.models.idle_unload_s == 5.0


def test_no_knob_is_turned_unless_it_is_asked_for() -> None:
    knobs = Config().knobs
    assert {getattr(knobs, name) for name in knobs.__struct_fields__} == {None}


def test_knobs_take_numbers_and_names() -> None:
    text = "knobs:\n  cpufreq_max_hz: 1_500_000_000\n  nvpmodel: 15W\n  tokens_per_s: 9.5\n"
    config, found = check_text(text.encode(), "f")
    assert found == []
    assert config.knobs == Knobs(cpufreq_max_hz=1.5e9, nvpmodel="15W", tokens_per_s=9.5)
    both = check_text(b"knobs: {cpufreq: governed, gpufreq: governed}", "f")[0].knobs
    assert (both.cpufreq, both.gpufreq) == ("governed", "governed")


def test_nothing_is_capped_unless_it_is_asked_for() -> None:
    budget = Config().budget
    assert (budget.power_w, budget.temp_c, budget.energy_j) == (None, None, None)


def test_a_budget_and_how_it_is_kept() -> None:
    text = (
        "budget: {power_w: 6.5, temp_c: 70, energy_j: 40_000, energy_period: hour}\n"
        "governor:\n  sacrifice: [model, pace]\n  floor_duty: 0.5\n  guard: {caution: 0.7}\n"
        "models: {smaller: {large: small}}\n"
    )
    config, found = check_text(text.encode(), "f")
    assert found == []
    assert config.budget == BudgetConfig(
        power_w=6.5, temp_c=70.0, energy_j=40e3, energy_period="hour"
    )
    assert config.governor == GovernorConfig(
        sacrifice=("model", "pace"), floor_duty=0.5, guard=Guard(caution=0.7)
    )
    assert config.models.smaller == {"large": "small"}


@pytest.mark.parametrize(
    ("text", "offloads", "kv_types"),
    [
        ("engine:", (0,), ()),
        ("engine: {gpu_layers: 9, kv_type: f16}", (9,), ("f16",)),
        ("engine: {gpu_layers: [20, 0], kv_type: [q8_0/f16, q4_0]}", (20, 0), ("q8_0/f16", "q4_0")),
    ],
)
def test_one_setting_or_several_to_choose_from(
    text: str, offloads: tuple[int, ...], kv_types: tuple[str, ...]
) -> None:
    config, found = check_text(text.encode(), "f")
    assert found == []
    assert (config.engine.offloads, config.engine.kv_types) == (offloads, kv_types)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("engine:\n  thread: 3", "2: engine.thread: unknown key; did you mean threads?"),
        ("\nthreads: 3", "2: threads: unknown key; did you mean engine.threads?"),
        ("zzz: 3", "1: zzz: unknown key"),
        ("engine:\n  batch: 8", "2: engine.batch: Expected `int` >= 16"),
        ("engine: {context: ten}", "1: engine.context: Expected `int`, got `str`"),
        ("engine: {threads: [1]}", "1: engine.threads: Expected `int | null`, got `array`"),
        ("engine: {gpu_layers: -1}", "1: engine.gpu_layers: Expected `int` >= 0"),
        (
            "engine: {gpu_layers: [0, -1]}",
            "1: engine.gpu_layers[1]: Expected `int` >= 0",
        ),
        (
            "engine: {gpu_layers: all}",
            "1: engine.gpu_layers: Expected `int | array`, got `str`",
        ),
        (
            "engine: {gpu_layers: []}",
            "1: engine.gpu_layers: Expected `array` of length >= 1",
        ),
        (
            "engine: {kv_type: q3}",
            "1: engine.kv_type: Invalid enum value 'q3'",
        ),
        (
            "engine: {kv_type: [f16, q3]}",
            "1: engine.kv_type[1]: Invalid enum value 'q3'",
        ),
        ("engine: {kv_type: 8}", "1: engine.kv_type: Expected `str | array | null`, got `int`"),
        ("engine: 5", "1: engine: Expected `object`, got `int`"),
        ("models:\n  preload: a", "2: models.preload: Expected `array`, got `str`"),
        ("models:\n  preload: [a,\n  [b]]", "3: models.preload[1]: Expected `str`, got `array`"),
        ("socket: {mode: 999}", "1: socket.mode: Expected `str` matching regex '^0?[0-7]{3}\\\\Z'"),
        (
            "log: {level: loud}",
            "1: log.level: Expected `str` matching regex '^(debug|info|warning|error)\\\\Z'",
        ),
        (
            "tcp: {api_key_sha256: [abc]}",
            "1: tcp.api_key_sha256[0]: Expected `str` matching regex '^[0-9a-f]{64}\\\\Z'",
        ),
        (
            "knobs: {cpufreq_max_hz: 1500000}",  # which are kHz
            "1: knobs.cpufreq_max_hz: Expected `float` >= 10000000.0",
        ),
        ("knobs: {cpufreq: performance}", "1: knobs.cpufreq: Invalid enum value 'performance'"),
        ("knobs: {gpufreq: 900000000}", "1: knobs.gpufreq: Invalid enum value '900000000'"),
        ("knobs: {nvpmodel: ''}", "1: knobs.nvpmodel: Expected `str` of length >= 1"),
        ("budget: {power_w: 0}", "1: budget.power_w: Expected `float` > 0.0"),
        (
            "budget: {energy_period: week}",
            "1: budget.energy_period: Invalid enum value 'week'",
        ),
        ("budget: {power: 6}", "1: budget.power: unknown key; did you mean power_w?"),
        (
            "router: {quality: best}",
            "1: router.quality: Invalid enum value 'best'",
        ),
        (
            "governor: {sacrifice: [pace, quality]}",
            "1: governor.sacrifice[1]: Invalid enum value 'quality'",
        ),
        (
            "governor: {guard: {hold: 85}}",
            "1: governor.guard.hold: Expected `float` <= 1.0",
        ),
        ("governor: {foo: 1}", "1: governor.foo: unknown key"),
        ("governor: {governor: 1}", "1: governor.governor: unknown key"),
        ("governor: {guards: 1}", "1: governor.guards: unknown key; did you mean guard?"),
        ("models: {smaller: {a: [b]}}", "1: models.smaller.a: Expected `str`, got `array`"),
        ("- 1", "1: expected a mapping of sections such as 'engine:'"),
        ("just words", "1: expected a mapping of sections such as 'engine:'"),
        ("log:\n  level: info\n  level: info", "3: log.level: given twice, first in line 2"),
    ],
)
def test_a_fault_has_its_line_its_key_and_what_is_wrong(text: str, message: str) -> None:
    [found] = faults(text)
    assert found.startswith(f"config.yaml:{message}")


@pytest.mark.parametrize("key", ["governor.foo", "budget.foo", "governor.guard.x", "zzz"])
def test_a_key_that_is_like_none_has_no_suggestion(key: str) -> None:
    section, _, name = key.rpartition(".")
    text = ": {".join([*filter(None, section.split(".")), f"{name}: 1"])
    [found] = faults(text + "}" * key.count("."))
    assert found == f"config.yaml:1: {key}: unknown key"


def test_all_faults_are_found_in_the_order_of_their_lines() -> None:
    _, found = check_text(b"log: {level: loud}\nfoo: 1\nengine:\n  batch: 1\n  threads: 0\n", "f")
    assert [fault.line for fault in found] == [1, 2, 4, 5]


def test_contradictions_point_at_their_line() -> None:
    [found] = faults("engine:\n  batch: 64\n  prefill_chunk: 128\n")
    assert found.startswith("config.yaml:3: engine.prefill_chunk: expected at most")


def test_further_checks_see_what_has_no_other_fault_and_point_at_lines() -> None:
    seen: list[Config] = []

    def refuse(config: Config) -> list[tuple[tuple[str, ...], str]]:
        seen.append(config)
        return [(("engine", "threads"), "too many")]

    for content in (b"nonsense: 1", b"engine: {batch: 64}"):
        assert "too many" not in str(check_text(content, "f", refuse)[1])
    assert seen == []
    config, found = check_text(b"engine:\n  threads: 3", "f", refuse)
    assert [str(fault) for fault in found] == ["f:2: engine.threads: too many"]
    assert seen == [config]


def test_an_unquoted_value_where_text_is_wanted_is_taken_as_written() -> None:
    config, found = check_text(b"socket: {mode: 0600, group: 100}\nmodels: {default: 1.0}", "f")
    assert found == []
    assert (config.socket.mode, config.socket.group) == ("0600", "100")
    assert config.models.default == "1.0"


def test_each_value_of_a_mapping_is_judged_and_may_look_like_a_number() -> None:
    config, found = check_text(b"models:\n  smaller:\n    a: 1.5\n    b: [c]\n    d: {}\n", "f")
    assert [(fault.line, fault.key) for fault in found] == [
        (4, "models.smaller.b"),
        (5, "models.smaller.d"),
    ]
    assert config.models.smaller == {"a": "1.5"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a: {command: [x], timeout_s: 5}", "2: checks.a.timeout_s: Expected `float` <= 2.0"),
        ("a: {command: [x], z: 5}", "2: checks.a.z: unknown key"),
        ("a: {timeout_s: 1}", "2: checks.a: needs command"),
        ("a b: {command: [x]}", "2: checks.a b: Expected `str` matching regex"),
        ("a: 5", "2: checks.a: Expected `object`, got `int`"),
    ],
)
def test_the_fault_of_one_row_of_several_is_told_with_the_name_of_the_row(
    row: str, message: str
) -> None:
    content = f"checks:\n  {row}\n  fine: {{command: [y]}}\n"
    config, [found] = check_text(content.encode(), "f")
    assert str(found).startswith(f"f:{message}")
    assert "fine" in config.checks


def test_a_key_that_stands_where_its_hash_belongs_is_not_repeated() -> None:
    [found] = faults("tcp: {api_key_sha256: [sk-my-secret]}")
    assert "sk-my-secret" not in found


def test_a_key_with_msgspecs_own_words_in_it_is_just_an_unknown_key() -> None:
    [found] = faults('"x` - at `$.engine": 1')
    assert "unknown key" in found


def test_load_raises_the_first_fault(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a: 1\nb: 2\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(file), 1, "a")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "absent.yaml")


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    assert len(check(tmp_path)[1]) == 1


def test_the_installations_file_is_optional(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    assert load() == Config()
    (tmp_path / "config.yaml").write_text("engine: {threads: 3}")
    assert load().engine.threads == 3


@given(VALUES | SECTIONS)
def test_any_yaml_is_a_config_or_has_faults_that_name_the_file(data: object) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    config, found = check_text(text.encode("utf-8", "surrogatepass"), "f")
    assert isinstance(config, Config)
    assert all(isinstance(fault, ConfigError) and fault.file == "f" for fault in found)


@given(st.binary(max_size=60) | st.text("{}[]:,&*!|>-?# \n'\"\\ab<%@0.", max_size=40))
def test_any_bytes_are_a_config_or_have_faults(content: bytes | str) -> None:
    content = content if isinstance(content, bytes) else content.encode()
    config, found = check_text(content, "f")
    assert isinstance(config, Config)
    assert found or config == check_text(content, "g")[0]


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_regular_file_of_modest_size_is_read(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=f"^{path}: cannot be read: (not a regular|more than)"):
        load(path)
