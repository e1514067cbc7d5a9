"""`tools/package`: edge_rt as a package of Debian."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap import SetupError
from bootstrap.paths import cache_dir
from bootstrap.signals import end_cleanly_on_signals

from packagelib import deb
from packagelib.gather import gather
from packagelib.options import parse
from packagelib.target import Target


def main(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    """Make the package; returns the exit code."""
    options = parse(argv)
    end_cleanly_on_signals()
    try:
        if shutil.which("dpkg-deb") is None:
            raise SetupError("dpkg-deb is missing: apt-get install dpkg")
        target = Target(options.arch, options.python)
        log = cache_dir(env) / "logs/package.log"
        log.unlink(missing_ok=True)
        # Not in /tmp, which may lie in memory: the tree has 400 MB.
        with tempfile.TemporaryDirectory(dir=cache_dir(env), prefix="package-") as scratch:
            wheels = Path(scratch, "wheels")
            gather(wheels, options.wheels, target, log)
            print(deb.build(Path(scratch), wheels, options.out, target, log, env))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
