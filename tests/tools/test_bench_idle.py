"""How often a daemon at rest wakes."""

from __future__ import annotations

import sys
from pathlib import Path

from benchlib.process import Child
from benchmarks.idle import wakeups


def test_all_threads_of_all_processes_count(tmp_path: Path) -> None:
    with Child([sys.executable, "-c", "input()"], tmp_path / "log") as child:
        (pid,) = (each.pid for each in child.tree())
        for thread, times in ((pid, 3), (pid + 1, 4)):
            status = tmp_path / f"{pid}/task/{thread}/status"
            status.parent.mkdir(parents=True)
            status.write_text(
                f"Name:\tx\nvoluntary_ctxt_switches:\t{times}\nnonvoluntary_ctxt_switches:\t9\n"
            )
        assert wakeups(child, tmp_path) == {str(pid): 3, str(pid + 1): 4}
