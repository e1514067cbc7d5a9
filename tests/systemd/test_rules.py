"""The rules give away what they must, nothing more, and agree with what doctor tells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from edge_rt.board.readers import ina3221 as ina3221_iio
from edge_rt.board.readers import rapl
from edge_rt.governor.knobs import clock_files
from edge_rt.governor.knobs.knob import GROUP

TMPFILES = Path(__file__).parents[2] / "systemd" / "edge-rt.tmpfiles"
RULES = Path(__file__).parents[2] / "systemd" / "60-edge-rt.rules"
GPUS = "*.gpu|*.ga10b|*.gv11b|*.gp10b|*.gm20b|gpu-gpc*|gpu.*|gpu"
_PART = re.compile(r'([A-Z]+)(?:\{(\w+)\})?(==|!=|\+=|=|:=)"([^"]*)"')


def rules() -> list[str]:
    """Each rule in one line, comments and line ends left out."""
    text = RULES.read_text().replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("rule", rules())
def test_a_rule_is_keys_operators_and_quoted_values(rule: str) -> None:
    parts = rule.split(", ")
    assert all(_PART.fullmatch(part) for part in parts)
    keys = [part[0] for part in map(_PART.findall, parts)]
    assert {key[0] for key in keys} <= {"ACTION", "SUBSYSTEM", "KERNEL", "ATTR", "RUN"}
    # Once a match has failed udev looks no further; it wants assignments behind matches.
    kinds = [operator in ("==", "!=") for _, _, operator, _ in keys]
    assert kinds == sorted(kinds, reverse=True)
    assert all(value.startswith("/bin/") for key, _, _, value in keys if key == "RUN")


def test_the_rules_are_those_that_doctor_and_the_readers_tell() -> None:
    assert rules() == [
        rapl.udev_rule("edge-rt"),
        ina3221_iio.udev_rule("edge-rt"),
        f'ACTION!="remove", SUBSYSTEM=="devfreq", KERNEL=="{GPUS}", '
        f'RUN+="/bin/chgrp {GROUP} /sys%p/max_freq", RUN+="/bin/chmod 0664 /sys%p/max_freq"',
    ]


def test_the_file_is_named_as_the_readers_name_it() -> None:
    assert Path(rapl.RULES_FILE).name == RULES.name


def test_nothing_is_given_to_everybody_and_only_clocks_may_be_written() -> None:
    text = "\n".join(rules())
    modes = re.findall(r"chmod (\S+) (\S+?)[\"' ]", text)
    assert modes == [
        ("0440", "/sys%p/energy_uj"),
        ("g+r", "/sys%p/in_*_input"),
        ("0664", "/sys%p/max_freq"),
    ]
    assert re.findall(r"chgrp edge-rt-knobs (\S+)\"", text) == ["/sys%p/max_freq"]
    assert "GROUP=" not in text
    assert "MODE=" not in text


def test_of_the_kernels_files_the_clocks_of_the_cpu_alone_are_given_away_at_boot() -> None:
    lines = [line for line in TMPFILES.read_text().splitlines() if " /sys/" in line]
    # The kernel drops the uevents of policies, so no rule of udev ever sees one.
    clocks = "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq"
    assert lines == [f"z {clocks} 0664 root {GROUP}"]


@pytest.mark.parametrize("name", ["17000000.gpu", "17000000.gv11b", "gpu-gpc-0", "gpu"])
def test_the_gpus_that_udev_knows_are_those_that_the_governor_finds(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "class" / "devfreq" / name
    folder.mkdir(parents=True)
    for file in ("cur_freq", "max_freq"):
        (folder / file).write_text("1000000\n")
    assert [file.knob.path for file in clock_files.gpu_files(tmp_path)] == [folder / "max_freq"]
    assert any(fnmatchcase(name, pattern) for pattern in gpu_patterns())


@pytest.mark.parametrize("name", ["31b0000.emc", "gpu-nvd-0", "17000000.gpux"])
def test_other_clocks_are_given_to_nobody(name: str) -> None:
    assert not any(fnmatchcase(name, pattern) for pattern in gpu_patterns())


def gpu_patterns() -> list[str]:
    match = re.search(r'KERNEL=="(\S+gpu\S*)"', "\n".join(rules()))
    assert match is not None
    return match[1].split("|")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_systemd_gives_them_away(tmp_path: Path) -> None:
    tool = shutil.which("systemd-tmpfiles")
    if tool is None:
        pytest.skip("needs systemd-tmpfiles")
    policy = tmp_path / "sys/devices/system/cpu/cpufreq/policy4"
    policy.mkdir(parents=True)
    for name in ("scaling_max_freq", "scaling_min_freq"):
        (policy / name).write_text("1\n")
        (policy / name).chmod(0o644)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text(f"root:x:0:\n{GROUP}:x:4711:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    argv = [tool, "--create", "--prefix=/sys", f"--root={tmp_path}", str(TMPFILES)]
    subprocess.run(argv, check=True, timeout=60)
    given, other = ((policy / name).stat() for name in ("scaling_max_freq", "scaling_min_freq"))
    assert (given.st_uid, given.st_gid, given.st_mode & 0o777) == (0, 4711, 0o664)
    assert (other.st_gid, other.st_mode & 0o777) == (0, 0o644)
