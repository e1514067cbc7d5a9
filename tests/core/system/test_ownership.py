"""Root works as the user whose directory it is, and gives away nothing that lies elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rt.core.system.ownership import as_caller, as_owner, child_ids, owner_of

UID = 54321  # of nobody that the system knows
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A directory of another user's, to which that user has the way."""
    for path in tmp_path.parents[:-2]:  # the test's own folders are closed to others
        path.chmod(0o755)
    tmp_path.chmod(0o755)
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, UID, UID)
    return folder


class Kernel:
    """The calls by which a process changes who it is, recorded; root at first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uid, self.calls = 0, list[tuple[str, object]]()
        monkeypatch.setattr(os, "geteuid", lambda: self.uid)
        monkeypatch.setattr(os, "getegid", lambda: 0)
        monkeypatch.setattr(os, "getgroups", lambda: [0, 4])
        monkeypatch.setattr(os, "getresuid", lambda: (0, self.uid, self.uid))
        for name in ("seteuid", "setegid", "setgroups"):
            monkeypatch.setattr(os, name, self._record(name))

    def _record(self, name: str) -> Callable[[object], None]:
        def call(value: object) -> None:
            self.calls.append((name, value))
            if name == "seteuid":
                assert isinstance(value, int)
                self.uid = value

        return call


def test_root_gives_its_groups_up_first_and_takes_them_back_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = tmp_path.lstat

    def lstat(path: Path) -> os.stat_result:
        fields = list(real() if path == tmp_path else os.lstat(path))
        fields[4] = UID if path == tmp_path else 0
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "lstat", lstat)
    kernel = Kernel(monkeypatch)
    with as_owner(tmp_path / "store"):
        down, kernel.calls = kernel.calls, []
        with as_owner(tmp_path / "store"), as_caller():
            pass
        within, kernel.calls = kernel.calls, []
        assert child_ids() == (UID, 0)
    assert down == [("setgroups", [65534]), ("setegid", 65534), ("seteuid", UID)]
    assert within == [("seteuid", 0), ("seteuid", UID)]
    assert kernel.calls == [("seteuid", 0), ("setegid", 0), ("setgroups", [0, 4])]


def test_who_is_not_root_stays_who_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel(monkeypatch)
    kernel.uid = 1000
    with as_owner(tmp_path):
        assert kernel.calls == []


@needs_root
def test_where_root_alone_decides_there_is_no_owner(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "folder").mkdir()
    assert owner_of(tmp_path / "link" / "new" / "newer") is None


@needs_root
@pytest.mark.parametrize("mode", [0o2775, 0o757])
def test_root_does_nothing_where_a_group_or_everybody_may_plant_links(
    tmp_path: Path, mode: int
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, UID)
    shared.chmod(mode)
    for place in (shared, shared / "store/new"):
        with pytest.raises(PermissionError, match="chmod go-w") as raised, as_owner(place):
            pass
        assert raised.value.filename == str(shared)


@needs_root
def test_where_only_roots_group_or_who_made_a_file_may_change_it_root_works(tmp_path: Path) -> None:
    (tmp_path / "of root's group").mkdir()
    (tmp_path / "of root's group").chmod(0o775)
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    for folder in ("of root's group", "sticky"):
        assert owner_of(tmp_path / folder / "store") is None


@needs_root
def test_the_first_other_user_on_the_way_decides(theirs: Path) -> None:
    (theirs / "root").mkdir()
    (theirs / "out").symlink_to("/etc")
    (theirs.parent / "to").symlink_to("theirs/root")
    for place in (theirs, theirs / "root/new", theirs / "out/passwd", theirs.parent / "to/x"):
        owner = owner_of(place)
        assert owner is not None
        assert (owner.uid, owner.own) == (UID, theirs)


@needs_root
def test_a_link_of_another_user_makes_that_user_the_owner(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/etc")
    os.chown(link, UID, UID, follow_symlinks=False)
    owner = owner_of(link / "new")
    assert owner is not None
    assert owner.uid == UID


@needs_root
def test_links_that_go_round_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        owner_of(tmp_path / "a")


@needs_root
def test_what_is_made_is_the_owners(theirs: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    (theirs / "planted").symlink_to(secret)
    with as_owner(theirs / "new"):
        (theirs / "new").mkdir()
        with pytest.raises(PermissionError):
            (theirs / "planted").write_text("overwritten")
        with as_caller():
            assert secret.read_text() == "of root"
        with pytest.raises(PermissionError):
            secret.read_text()
    assert (theirs / "new").stat().st_uid == UID
    assert os.getresuid() == (0, 0, 0)


@needs_root
def test_what_root_made_is_given_away_but_nothing_that_lies_elsewhere(
    theirs: Path, tmp_path: Path
) -> None:
    made, elsewhere = theirs / "store", tmp_path / "elsewhere"
    (made / "model").mkdir(parents=True)
    elsewhere.mkdir()
    for path in (made / "model/file", elsewhere / "file", elsewhere / "twin"):
        path.touch()
    (made / "folder").symlink_to(elsewhere)
    (made / "file").symlink_to(elsewhere / "file")
    (made / "hard").hardlink_to(elsewhere / "twin")
    with as_owner(made):
        pass
    given = {path for path in theirs.parent.rglob("*") if path.lstat().st_uid == UID}
    assert given == {theirs, made, made / "model", made / "model/file"}


@needs_root
@pytest.mark.parametrize("way", ["link/store", "../elsewhere/store"])
def test_no_way_out_of_the_directory_gives_anything_away(
    theirs: Path, tmp_path: Path, way: str
) -> None:
    store = tmp_path / "elsewhere" / "store"
    store.mkdir(parents=True)
    (theirs / "link").symlink_to(store.parent)
    with as_owner(theirs / way):
        pass
    assert store.stat().st_uid == 0


@needs_root
def test_a_daemon_of_roots_does_not_become_another(theirs: Path) -> None:
    told = list[str]()

    def work() -> None:
        try:
            with as_owner(theirs):
                told.append("done")
        except PermissionError as error:
            told.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert f"user {UID} could plant links" in told[0]
