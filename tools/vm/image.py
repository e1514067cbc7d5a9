"""The disks of a guest with edge_rt: one that is only read, and one for the daemon's state."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bootstrap.logged import run_logged
from bootstrap.paths import CHECKOUT
from bootstrap.progress import Progress

from vm import probe

STATE_MB = 256

_OURS = "usr/lib/edge-rt-vm"
_PYTHON = f"/usr/bin/env PYTHONPATH={probe.TOOLS} /opt/edge-rt/bin/python -m vm.guest.appliance"
_UNITS = {
    "chips": "Before=edge-rt.service\n",
    "look": "Before=edge-rt.service\nRequiresMountsFor=/var/lib/edge-rt\n",
    "use": "After=edge-rt.socket\n",
}
_FSTAB = """\
tmpfs /var tmpfs mode=0755
/dev/vdb /var/lib/edge-rt ext4 noatime
"""
_CONFIG = """\
models: {store: /srv/models, preload: [smollm2-135m-instruct]}
engine: {threads: 1, context: 512, sequences: 2}
"""


def root(tree: Path, image: Path, models: Path, modules: Sequence[Path], log: Path) -> None:
    """Write `image`: the Debian root `tree`, with edge_rt from the wheels in TREE/wheels.

    It has the store `models`, the kernel's `modules`, and units that do what a user would.
    Raises SetupError.
    """
    (tree / "etc/edge-rt").mkdir()
    (tree / "etc/edge-rt/config.yaml").write_text(_CONFIG)
    shutil.copytree(models, tree / "srv/models")
    with Progress("Installing edge_rt in the guest"):
        inside(tree, ["/usr/bin/python3", "/checkout/tools/install", "--wheels", "/wheels"], log)
        inside(tree, [*probe.DEEDS, "prepare"], log)
    shutil.rmtree(tree / "wheels")
    shutil.copytree(CHECKOUT / "tools/vm", tree / "checkout/tools/vm")
    (tree / _OURS / "modules").mkdir(parents=True)
    for module in modules:
        shutil.copy(module, tree / _OURS / "modules")
    (tree / "etc/fstab").write_text(_FSTAB)
    _put_units(tree)
    with Progress("Writing the guest's disk"):
        size_mb = sum(path.lstat().st_size for path in tree.rglob("*")) // 1_000_000 * 5 // 4 + 64
        shape = ["-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", str(tree)]
        run_logged(["mke2fs", "-q", *shape, str(image), f"{size_mb}M"], log)


def state(image: Path, log: Path) -> None:
    """Write an empty `image` with a journal."""
    run_logged(["mke2fs", "-q", "-t", "ext4", "-m", "0", str(image), f"{STATE_MB}M"], log)


def inside(tree: Path, argv: Sequence[str], log: Path) -> None:
    """Run a program in `tree` as root, without booting it; this checkout lies in /checkout."""
    words = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--pipe"]
    shown = f"--bind-ro={CHECKOUT}:/checkout"
    run_logged(["systemd-nspawn", *words, f"--directory={tree}", shown, *argv], log)


def _put_units(tree: Path) -> None:
    folder = tree / "etc/systemd/system"
    wants = folder / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    for name, order in _UNITS.items():
        kind = "exec" if name == "use" else "oneshot"
        unit = f"edge-rt-vm-{name}.service"
        text = f"[Unit]\n{order}\n[Service]\nType={kind}\nExecStart={_PYTHON} {name}\n"
        (folder / unit).write_text(text)
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
    (folder / "getty.target").symlink_to("/dev/null")  # nobody logs in
    for place, text in probe.units((folder / "edge-rt.service").read_text()).items():
        (tree / place).parent.mkdir(exist_ok=True)
        (tree / place).write_text(text)
