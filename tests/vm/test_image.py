"""The package in an image of a container, and in the roots of images for boards."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import vm_deb
from bootstrap.paths import CHECKOUT
from vm_guests import MODEL

pytestmark = pytest.mark.whole

START_S = 120
IMAGES = CHECKOUT / "tools/images"
BUILDAH = {"buildah": "buildah", "netavark": "netavark"}


def run(*words: str | Path, **options: object) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


class Buildah:
    """Images in a folder of their own, built and run by chroot."""

    def __init__(self, place: Path) -> None:
        self._words = ["buildah", f"--root={place / 'store'}", f"--runroot={place / 'run'}"]
        self._env = os.environ | {"STORAGE_DRIVER": "vfs"}
        kinds = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
        hard = {name: resource.getrlimit(kind)[1] for name, kind in kinds.items()}
        self.limits = [f"--ulimit={name}={most}:{most}" for name, most in hard.items()]

    def __call__(self, *words: str | Path) -> str:
        return run(*self._words, *words, env=self._env)

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._words, *words], env=self._env)


@pytest.fixture
def buildah(tmp_path: Path) -> Buildah:
    if not shutil.which("buildah") or not Path("/usr/lib/podman/netavark").exists():
        pytest.skip("needs apt-get install buildah netavark")
    return Buildah(tmp_path)


@pytest.fixture
def rootfs(cache: Path, tmp_path: Path) -> Iterator[Path]:
    """The root of a board's image, as its builder has unpacked it."""
    place = tmp_path / "rootfs"
    run("cp", "-a", vm_deb.root(cache, tmp_path / "log"), place)
    yield place
    mounted = Path("/proc/self/mounts").read_text()
    assert str(place) not in mounted
    shutil.rmtree(place)


def test_an_image_answers_as_a_user_without_rights(
    buildah: Buildah, packages: list[str], cache: Path, store: Path, tmp_path: Path
) -> None:
    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, f"{vm_deb.root(cache, tmp_path / 'log')}/", "/")
    buildah("commit", "--quiet", base, "localhost/debian")
    given = [f"--build-arg=DEB={Path(packages[0]).name}", "--build-arg=BASE=localhost/debian"]
    words = ["--isolation=chroot", "--format=docker", *buildah.limits, *given, "--tag=edge-rt"]
    context = Path(packages[0]).parent
    buildah("build", *words, f"--file={CHECKOUT / 'Containerfile'}", context)
    told = json.loads(buildah("inspect", "--type=image", "edge-rt"))["Docker"]["config"]
    assert told["User"] == "edge-rt"
    assert told["Healthcheck"]["Test"] == ["CMD", "/usr/bin/edge-rt", "status", "--json"]

    box = buildah("from", *buildah.limits, "edge-rt")
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    os.chown(sockets, 971, 971)
    seen = ["--isolation=chroot", f"--volume={sockets}:/run/edge-rt"]
    model = f"--volume={store}:/srv/models:ro"
    serve = ["/usr/bin/edge-rt", "serve", "--store", "/srv/models"]
    daemon = buildah.start("run", *seen, model, box, "--", *serve)
    try:
        socket, until = sockets / "edge-rt.sock", time.monotonic() + START_S
        while not socket.exists() and daemon.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert socket.stat().st_uid == 971
        health = buildah("run", *seen, box, "--", *told["Healthcheck"]["Test"][1:])
        assert json.loads(health)["status"]["store"] == "/srv/models"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=120) as http:
            body = {"model": MODEL, "prompt": "Hello", "max_tokens": 4}
            assert http.post("http://localhost/v1/completions", json=body).status_code == 200
    finally:
        daemon.terminate()
        daemon.wait()


def installed(rootfs: Path) -> None:
    """Fail unless the package is in `rootfs`, to start at boot, and nothing else is left there."""
    units = ("edge-rt.socket", "edge-rt.service")
    said = run("systemctl", f"--root={rootfs}", "is-enabled", *units)
    assert said.split() == ["enabled"] * 2
    assert "\nedge-rt:" in (rootfs / "etc/passwd").read_text()
    assert (rootfs / "opt/edge-rt/bin/edge-rt").is_file()
    assert list((rootfs / "tmp").iterdir()) == []
    assert not list((rootfs / "var/cache").glob("*.deb"))


def test_a_package_comes_into_a_root_that_is_unpacked(rootfs: Path, packages: list[str]) -> None:
    run(IMAGES / "into-rootfs", rootfs, packages[0])
    installed(rootfs)


def test_the_stage_of_pi_gen_installs_the_package(
    rootfs: Path, packages: list[str], tmp_path: Path
) -> None:
    stage = tmp_path / "stage-edge-rt"
    shutil.copytree(IMAGES / "pi-gen", stage)
    files = stage / "00-edge-rt/files"
    files.mkdir(exist_ok=True)
    shutil.copy(packages[0], files)
    # As pi-gen runs it: in its folder, with the function that enters the image's root and mounts
    # a file system of its own on /tmp.
    enter = 'on_chroot() { mount -t proc p "$ROOTFS_DIR/proc"; mount -t tmpfs t "$ROOTFS_DIR/tmp"; '
    enter += 'rc=0; chroot "$ROOTFS_DIR" bash -e || rc=$?; '
    enter += 'umount "$ROOTFS_DIR/proc" "$ROOTFS_DIR/tmp"; return $rc; }; '
    enter += "export -f on_chroot; ./00-run.sh"
    env = os.environ | {"ROOTFS_DIR": str(rootfs)}
    run("bash", "-e", "-c", enter, cwd=stage / "00-edge-rt", env=env)
    installed(rootfs)
