"""Keys for TCP, of which the daemon has hashes alone."""

from __future__ import annotations

import hashlib
import json

from click.testing import CliRunner

from edge_rt.api.middleware.access import Authorizer
from edge_rt.cli.local.serve import key
from edge_rt.config.loader import check_text

CHOSEN = "a key of our own, long enough"


def lines(output: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in output.splitlines())


def test_a_new_key_each_time() -> None:
    made = [lines(CliRunner().invoke(key, []).stdout) for _ in range(2)]
    assert made[0]["key"] != made[1]["key"]
    for one in made:
        assert one["sha256"] == hashlib.sha256(one["key"].encode()).hexdigest()
        assert len(one["key"]) > 40


def test_it_can_be_read_by_programs() -> None:
    made = json.loads(CliRunner().invoke(key, ["--json"]).stdout)
    assert made == {"key": made["key"], "sha256": hashlib.sha256(made["key"].encode()).hexdigest()}


def test_its_hash_opens_tcp() -> None:
    made = lines(CliRunner().invoke(key, []).stdout)
    scope = {
        "path": "/v1/models",
        "server": ("127.0.0.1", 1),
        "headers": [(b"authorization", f"Bearer {made['key']}".encode())],
    }
    assert Authorizer([made["sha256"]]).check(scope).client == f"key:{made['sha256'][:12]}"


def test_a_key_itself_in_the_configuration_is_refused_without_showing_it() -> None:
    _, faults = check_text(f"tcp: {{api_key_sha256: ['{CHOSEN}']}}".encode(), "config.yaml")
    assert len(faults) == 1
    assert "tcp.api_key_sha256[0]: " in str(faults[0])
    assert CHOSEN not in str(faults[0])


def test_a_key_that_administrates_must_open_tcp() -> None:
    _, faults = check_text(f"tcp: {{admin_key_sha256: ['{'0' * 64}']}}".encode(), "config.yaml")
    assert [fault.key for fault in faults] == ["tcp.admin_key_sha256[0]"]
