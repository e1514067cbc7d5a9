"""A listening socket is either safely ours or refused with the reason."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rt.core.errors import ConfigError, ListenError
from edge_rt.server.listening import UnixSocket, tcp_socket, unix_socket, way_in

Resolver = Callable[..., list[tuple[int, int, int, str, tuple[str, int]]]]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(path))


def leave_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "edge-rt.sock"


def test_clients_can_connect_and_closing_leaves_nothing_but_the_lock(path: Path) -> None:
    sock = unix_socket(path, 0o660)
    connect(path)
    assert not sock.get_inheritable()
    sock.close()
    sock.close()
    assert [file.name for file in path.parent.iterdir()] == ["edge-rt.sock.lock"]


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o400])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(
    path: Path, mode: int, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with unix_socket(path, mode):
            assert mode_of(path) == mode
            assert os.umask(umask) == umask
    finally:
        os.umask(before)


def test_until_it_is_ready_only_its_owner_can_open_it(path: Path) -> None:
    path.parent.mkdir()
    lock = os.open(path.parent / "lock", os.O_CREAT | os.O_RDWR)
    with UnixSocket(path, lock) as sock:
        sock.claim()
        assert mode_of(path) == 0o600
        with pytest.raises(ConnectionRefusedError):
            connect(path)


def test_a_missing_directory_is_made_for_all_to_enter(path: Path) -> None:
    with unix_socket(path, 0o660):
        assert mode_of(path.parent) == 0o755


def test_below_a_directory_open_to_all_it_is_private(path: Path) -> None:
    path.parent.parent.chmod(0o1777)
    with unix_socket(path, 0o660):
        assert mode_of(path.parent) == 0o700


def test_a_directory_that_is_there_keeps_its_mode(path: Path) -> None:
    path.parent.mkdir(mode=0o750)
    with unix_socket(path, 0o660):
        assert mode_of(path.parent) == 0o750


def test_missing_parents_are_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=f"{tmp_path}/no is missing: make that first"):
        unix_socket(tmp_path / "no" / "such" / "edge-rt.sock", 0o660)


def test_a_symbolic_link_is_no_safe_directory(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path.parent.symlink_to("real")
    with pytest.raises(ListenError, match="symbolic link"):
        unix_socket(path, 0o660)
    assert list((tmp_path / "real").iterdir()) == []


def test_a_directory_where_all_may_replace_files_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(ListenError, match="everybody"):
        unix_socket(path, 0o660)
    path.parent.chmod(0o1777)
    unix_socket(path, 0o660).close()


def test_a_strangers_directory_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    if os.geteuid() == 0:
        os.chown(path.parent, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ListenError, match="belongs to user"):
        unix_socket(path, 0o660)


def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    leave_stale(path)
    with unix_socket(path, 0o660):
        connect(path)


def test_a_living_daemon_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(1)
        with pytest.raises(ListenError, match=f"another daemon answers at {path}"):
            unix_socket(path, 0o660)
        connect(path)


def test_a_living_daemon_with_a_full_queue_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            waiting.connect(str(path))
            with pytest.raises(ListenError, match="another daemon"):
                unix_socket(path, 0o660)
    assert path.exists()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda p: p.symlink_to("/dev/null")])
def test_what_is_no_socket_is_refused_and_left(path: Path, make: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    make(path)
    before = path.lstat()
    with pytest.raises(ListenError, match="no socket"):
        unix_socket(path, 0o660)
    assert os.path.samestat(path.lstat(), before)


def test_of_many_that_start_at_once_one_listens(path: Path) -> None:
    path.parent.mkdir()
    leave_stale(path)
    gate, results = threading.Barrier(8), list[object]()

    def start() -> None:
        gate.wait()
        try:
            results.append(unix_socket(path, 0o660))
        except ListenError as error:
            results.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [result for result in results if isinstance(result, UnixSocket)]
    connect(path)
    for winner in winners:
        winner.close()
    assert (len(winners), len(results)) == (1, 8)


def test_another_can_start_once_the_first_has_closed(path: Path) -> None:
    with unix_socket(path, 0o660), pytest.raises(ListenError, match="another daemon"):
        unix_socket(path, 0o660)
    unix_socket(path, 0o660).close()


def test_closing_leaves_a_socket_that_someone_else_put_there(path: Path) -> None:
    sock = unix_socket(path, 0o660)
    other = path.with_name("other.sock")
    leave_stale(other)
    other.replace(path)
    sock.close()
    assert path.is_socket()


def test_nothing_is_held_after_a_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(ListenError, match="no right"):
        unix_socket(path, 0o660, str(os.getegid()))
    assert not path.exists()
    unix_socket(path, 0o660).close()


def test_the_group_gets_the_socket(path: Path) -> None:
    gid = 12345 if os.geteuid() == 0 else os.getegid()
    with unix_socket(path, 0o660, str(gid)):
        assert path.stat().st_gid == gid
        assert mode_of(path) == 0o660


@pytest.mark.parametrize("group", ["no-such-group", "99999999999999999999", "-1"])
def test_an_unknown_group_is_a_fault_of_the_configuration(path: Path, group: str) -> None:
    with pytest.raises(ConfigError, match=r"socket\.group"):
        unix_socket(path, 0o660, group)
    assert not path.parent.exists()


def test_a_path_that_the_kernel_cannot_hold_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="107 bytes"):
        unix_socket(tmp_path / ("x" * 120), 0o660)


def resolver(*hosts: str) -> Resolver:
    def resolve(
        host: str, port: int, type: int
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, type, 0, "", (address, port)) for address in hosts]

    return resolve


def test_tcp_listens_on_loopback() -> None:
    with tcp_socket("127.0.0.1:0", has_key=False) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not sock.get_inheritable()
        socket.create_connection(sock.getsockname(), timeout=5).close()


def test_a_name_counts_by_all_that_it_stands_for() -> None:
    with tcp_socket("here:0", has_key=False, resolve=resolver("127.0.0.1", "127.0.0.2")):
        pass
    with pytest.raises(ConfigError, match=r"here is 192\.0\.2\.1"):
        tcp_socket("here:0", has_key=False, resolve=resolver("127.0.0.1", "192.0.2.1"))


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_others_are_let_in_only_with_a_key(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"tcp\.listen.*api_key_sha256"):
        tcp_socket(listen, has_key=False)


def test_with_a_key_every_address_may_be_listened_on() -> None:
    with tcp_socket("0.0.0.0:0", has_key=True) as sock:
        assert sock.getsockname()[0] == "0.0.0.0"


def test_the_first_address_that_this_machine_has_is_taken() -> None:
    with tcp_socket("here:0", has_key=True, resolve=resolver("192.0.2.1", "127.0.0.1")) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_named() -> None:
    with tcp_socket("127.0.0.1:0", has_key=False) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            tcp_socket(f"127.0.0.1:{port}", has_key=False)


def test_without_a_network_systemd_can_listen() -> None:
    def resolve(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(99, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))]  # no such family

    with pytest.raises(ListenError, match=r"ListenStream= to edge-rt\.socket"):
        tcp_socket("127.0.0.1:80", has_key=False, resolve=resolve)


@pytest.mark.parametrize(
    "found", [socket.gaierror(-2, "Name or service not known"), UnicodeError()]
)
def test_an_unknown_host_is_named(found: Exception) -> None:
    def resolve(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        raise found

    with pytest.raises(ListenError, match="nowhere:80"):
        tcp_socket("nowhere:80", has_key=False, resolve=resolve)


def test_an_address_that_is_none_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        tcp_socket("8080", has_key=False)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0"])
def test_the_way_in_names_the_address_as_clients_take_it(path: Path, listen: str) -> None:
    with unix_socket(path, 0o600) as local, tcp_socket(listen, has_key=False) as sock:
        place = listen.replace(":0", f":{sock.getsockname()[1]}")
        assert f"http://{place}/v1" in way_in([local, sock], has_key=False)
        assert "api_key_sha256" in way_in([local, sock], has_key=True)


def test_without_tcp_the_way_in_is_the_option_that_opens_it(path: Path) -> None:
    with unix_socket(path, 0o600) as local:
        assert "--listen" in way_in([local], has_key=False)
