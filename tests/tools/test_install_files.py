from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from bootstrap import SetupError
from installlib import files
from installlib.files import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(Path("/srv/edge-rt"), tmp_path)


def test_only_what_differs_is_written(layout: Layout) -> None:
    assert files.put(layout)
    assert not files.put(layout)
    layout.at(files.PLACES[files.SOCKET]).unlink()
    assert files.put(layout)


def test_units_name_the_prefix(layout: Layout) -> None:
    files.put(layout)
    unit = layout.at(files.PLACES[files.SERVICE]).read_text()
    assert "ExecStart=/srv/edge-rt/bin/edge-rt serve" in unit
    assert "/opt/" not in unit


def test_all_may_read_them_and_root_alone_write(layout: Layout) -> None:
    files.put(layout)
    for place in files.PLACES.values():
        assert layout.at(place).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("target", [None, "/elsewhere/edge-rt"])
def test_a_command_that_is_somebody_elses_is_neither_replaced_nor_removed(
    layout: Layout, target: str | None
) -> None:
    place = layout.at(files.COMMAND)
    place.parent.mkdir(parents=True)
    place.touch() if target is None else place.symlink_to(target)
    with pytest.raises(SetupError, match="move it away"):
        files.put(layout)
    files.remove(layout)
    assert place.is_symlink() or place.exists()


def test_what_an_earlier_umask_closed_is_opened(layout: Layout) -> None:
    old = os.umask(0o077)
    try:
        files.put(layout)
        program = layout.at(layout.prefix) / "bin/edge-rt"
        program.parent.mkdir(parents=True)
        program.touch(mode=0o700)
        settings = layout.at(layout.prefix) / "pyvenv.cfg"
        settings.touch()
    finally:
        os.umask(old)
    assert files.open_up(layout)
    for path in (program, program.parent, layout.at(files.CONFIG).parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755, path
    assert stat.S_IMODE(settings.stat().st_mode) == 0o644
    assert not files.open_up(layout), "a second time there is nothing to do"


def test_a_configuration_that_only_a_group_may_read_stays_so(layout: Layout) -> None:
    files.put(layout)
    config = layout.at(files.CONFIG)
    config.chmod(0o640)
    config.parent.chmod(0o750)
    assert not files.open_up(layout)
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o750
