"""A GPU that the service's unit does not let it open is told before anybody wonders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from patients import PI, Patient, commands

from edge_rt.cli.doctor.check_gpu_devices import check_gpu_devices

Make = Callable[..., Patient]
SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = Path(__file__).parents[3] / "systemd" / "edge-rt.service"


@pytest.fixture
def orin(patient: Make) -> Patient:
    """An Orin with the service, and with what its drivers have registered."""
    made = patient("orin-nano", user=PI)
    (made.root / "proc/devices").write_text((SYSTEMD / "proc_devices_orin").read_text())
    made.tree.write(made.root / "etc/systemd/system", {"edge-rt.service": UNIT.read_text()})
    return made


def drop_in(orin: Patient, *lines: str) -> None:
    place = orin.root / "etc/systemd/system/edge-rt.service.d"
    orin.tree.write(place, {"gpu.conf": "\n".join(["[Service]", *lines]) + "\n"})


def test_the_unit_that_is_installed_allows_an_orins_gpu(orin: Patient) -> None:
    (found,) = orin.says(check_gpu_devices)
    assert found.level == "ok"
    assert "17000000.gpu" in found.what


@pytest.mark.parametrize(
    ("layers", "level"), [("0", "note"), ("999", "problem"), ("[0, 9]", "problem")]
)
def test_what_an_older_unit_lacks_is_told_with_the_drop_in_that_mends_it(
    orin: Patient, layers: str, level: str
) -> None:
    unit = orin.root / "etc/systemd/system/edge-rt.service"
    unit.write_text(unit.read_text().replace("DeviceAllow=char-*.gpu rw\n", ""))
    orin.paths.config_file.write_text(f"engine: {{gpu_layers: {layers}, gpu_bytes: 1000000000}}\n")
    (found,) = orin.says(check_gpu_devices)
    assert (found.level, "lacks 17000000.gpu" in found.what) == (level, True)
    assert "DeviceAllow=char-17000000.gpu rw" in commands([found])
    assert "sudo systemctl daemon-reload" in found.remedy
    drop_in(orin, "DeviceAllow=char-17000000.gpu rw")
    assert [found.level for found in orin.says(check_gpu_devices)] == ["ok"]


def test_a_drop_in_may_take_back_what_the_unit_allows(orin: Patient) -> None:
    drop_in(orin, "DeviceAllow=", "DeviceAllow=char-nvidia* rw")
    (found,) = orin.says(check_gpu_devices)
    assert "lacks 17000000.gpu, nvhost" in found.what
    drop_in(orin, "DevicePolicy=auto", "DeviceAllow=")
    assert orin.says(check_gpu_devices) == [], "all is allowed"


def test_without_a_gpu_or_without_the_service_nothing_is_said(patient: Make) -> None:
    pi = patient("pi5")
    pi.tree.write(pi.root / "etc/systemd/system", {"edge-rt.service": UNIT.read_text()})
    assert pi.says(check_gpu_devices) == []
    (pi.root / "proc/devices").write_text(
        "Character devices:\n  1 mem\n226 drm\n\nBlock devices:\n"
    )
    assert pi.says(check_gpu_devices) == []
    (pi.root / "etc/systemd/system/edge-rt.service").unlink()
    (pi.root / "proc/devices").write_text((SYSTEMD / "proc_devices_orin").read_text())
    assert pi.says(check_gpu_devices) == []
