"""The units as systemd judges them, and as the daemon and its clients need them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from installlib import files
from installlib.files import Layout

from edge_rt.config.loader import load
from edge_rt.config.paths import Paths
from edge_rt.config.schema import AnswerChecker, Config
from edge_rt.generation.samples import inside
from edge_rt.generation.samples.sandbox import SOCKET
from edge_rt.server.server import DRAIN_S, LAST_S

SOURCES = Path(__file__).parents[2] / "systemd"
MOST_EXPOSURE = 2.0
NVPMODEL_S = 4 * 30  # it is asked, looked up, set and asked again, each for so long at most


class Units(configparser.ConfigParser):
    """A unit file; of a key that is there more than once, the last value."""

    optionxform = str  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        super().__init__(interpolation=None, strict=False)
        self.read(SOURCES / name)


@pytest.fixture(scope="module")
def analyze() -> str:
    """systemd-analyze. CI has to have it; elsewhere the tests that need it are left out."""
    found = shutil.which("systemd-analyze")
    if found is None and os.environ.get("CI"):
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    if found is None:
        pytest.skip("needs systemd-analyze")
    return found


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An image with the files, and with a program where the service looks for it."""
    layout = Layout(tmp_path / "opt", tmp_path / "image")
    files.put(layout)
    program = tmp_path / "opt/bin/edge-rt"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    program.with_name("python3").touch(mode=0o755)
    return layout


def units(layout: Layout) -> list[str]:
    names = (files.SERVICE, files.SOCKET, files.CHECK_SOCKET, files.CHECK, files.RPC)
    return [str(layout.at(files.PLACES[name])) for name in names]


def test_systemd_finds_no_fault(analyze: str, layout: Layout) -> None:
    argv = [analyze, "verify", "--man=no", "--recursive-errors=no", *units(layout)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_memory_is_lent_to_boards_alone_that_somebody_names(analyze: str, layout: Layout) -> None:
    page = (SOURCES.parent / "docs/how-to/fleet.md").read_text()
    lender, borrower = (part.split("```")[0] for part in page.split("```ini\n")[1:])
    for unit, drop_in in ((files.RPC, lender), (files.SERVICE, borrower)):
        folder = layout.at(files.PLACES[unit] + ".d")
        folder.mkdir()
        (folder / "override.conf").write_text(drop_in)
        assert "IPAddressAllow=10.0.0." in drop_in
        assert Units(unit)["Service"]["IPAddressDeny"] == "any"
    argv = [analyze, "verify", "--man=no", "--recursive-errors=no", *units(layout)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert files.RPC not in Units(files.SERVICE)["Unit"].values(), "nothing starts it by itself"


@pytest.mark.parametrize(
    ("unit", "most"),
    [(files.SERVICE, MOST_EXPOSURE), (files.CHECK, 0.5), (files.RPC, MOST_EXPOSURE)],
)
def test_the_services_are_little_exposed(
    analyze: str, layout: Layout, unit: str, most: float
) -> None:
    place = str(layout.at(files.PLACES[unit]))
    argv = [analyze, "security", "--offline=true", "--no-pager", place]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert level is not None, done.stdout
    assert float(level[1]) <= most, done.stdout


def test_checkers_are_started_by_the_daemon_alone_and_outlast_every_limit_it_sets() -> None:
    socket, service = Units(files.CHECK_SOCKET)["Socket"], Units(files.CHECK)["Service"]
    assert socket["ListenStream"] == str(SOCKET)
    assert (socket["SocketUser"], socket["SocketMode"]) == ("edge-rt", "0600")
    assert Units(files.SERVICE)["Unit"]["Wants"] == files.CHECK_SOCKET
    module = service["ExecStart"].split()[-1]
    assert module == inside.__name__
    limits = (service[name] for name in ("MemoryMax", "TasksMax", "RuntimeMaxSec"))
    assert all(limit and limit != "infinity" for limit in limits)
    longer = {"command": ["/bin/true"], "seconds": float(service["RuntimeMaxSec"])}
    with pytest.raises(msgspec.ValidationError, match="seconds"):
        msgspec.convert(longer, AnswerChecker)


def test_systemd_listens_where_clients_look() -> None:
    assert Units(files.SOCKET)["Socket"]["ListenStream"] == str(Paths.system({}).socket)


def test_the_socket_keeps_the_group_that_it_was_given_and_goes_with_its_unit() -> None:
    """systemd gives a RuntimeDirectory= that is another user's to the service, all files in it."""
    service, [line] = Units(files.SERVICE)["Service"], tmpfiles("/run/edge-rt")
    assert line == ["d", f"/run/{service['RuntimeDirectory']}", "0755", service["User"], "edge-rt"]
    assert service["RuntimeDirectoryPreserve"] == "yes"
    assert Units(files.SOCKET)["Socket"]["RemoveOnStop"] == "yes"


def tmpfiles(path: str) -> list[list[str]]:
    lines = (SOURCES / "edge-rt.tmpfiles").read_text().splitlines()
    return [line.split() for line in lines if line.split()[1] == path]


def test_the_end_is_given_the_time_that_it_may_take() -> None:
    stop_s = int(Units(files.SERVICE)["Service"]["TimeoutStopSec"])
    assert stop_s >= DRAIN_S + LAST_S + NVPMODEL_S


def test_root_does_nothing_but_give_clocks_away_before_each_start() -> None:
    service = Units(files.SERVICE)["Service"]
    privileged = {key: value for key, value in service.items() if value.startswith(("+", "!"))}
    step = "+-/bin/systemd-tmpfiles --create --prefix=/sys edge-rt.conf"
    assert privileged == {"ExecStartPre": step}
    assert Path(files.PLACES["edge-rt.tmpfiles"]).name == step.split()[-1]


@pytest.mark.parametrize(
    "forbidden", ["PrivateDevices", "ProtectKernelTunables", "PrivateUsers", "ProcSubset"]
)
def test_what_sensors_knobs_and_clients_need_is_not_taken_away(forbidden: str) -> None:
    assert forbidden not in Units(files.SERVICE)["Service"]


def test_the_user_and_the_groups_of_the_units_are_made() -> None:
    service, made = Units(files.SERVICE)["Service"], set()
    for line in (SOURCES / "edge-rt.sysusers").read_text().splitlines():
        if line and not line.startswith("#"):
            made.add(line.split()[1])
    needed = {service["User"], service["Group"], *service["SupplementaryGroups"].split()}
    assert needed | {Units(files.SOCKET)["Socket"]["SocketGroup"]} == made


def test_the_configuration_that_is_installed_changes_nothing_and_its_examples_are_valid(
    tmp_path: Path,
) -> None:
    sample = SOURCES / "config.yaml"
    assert load(sample) == Config()
    examples = re.findall(r"^# (\w+: \{.*)$", sample.read_text(), re.MULTILINE)
    assert examples
    written = tmp_path / "config.yaml"
    written.write_text("\n".join(examples))
    assert load(written) != Config()
