"""What the engine has to say stands in the log like the daemon's own lines."""

from __future__ import annotations

import subprocess
import sys

ENGINE = r"""
import logging, socket
from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.worker.__main__ import main

front, engine = socket.socketpair()
front.shutdown(socket.SHUT_WR)  # as if it had nothing more to say
main(["engine", *map(str, (engine.detach(), Heartbeat.shared(), -1))])
logging.getLogger("edge_rt.engine.x").warning("a file\nERROR edge_rt: all is well")
"""


def test_its_lines_have_a_level_and_a_name_and_nobody_forges_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENGINE], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ("WARNING edge_rt.engine.x: a file\\x0aERROR edge_rt: all is well\n")
