from __future__ import annotations

from collections.abc import Callable

import pytest
from bootstrap import SetupError
from vm.machine import check_machine, needs


def only(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/bin/{name}" if name in names else None


def test_what_is_missing_is_told_as_packages() -> None:
    found = needs("gcc-14", only("make"))
    packages = {name for need in found for name in need.packages}
    assert {"qemu-system-x86", "gcc-14", "xz-utils"} <= packages
    assert "make" not in packages


def test_nothing_missing_is_no_need() -> None:
    found = needs("gcc-14", lambda name: name)
    assert {need.packages for need in found} <= {("libelf1",)}


@pytest.mark.parametrize(
    ("machine", "programs"),
    [("aarch64", ("apt-get", "dpkg-deb")), ("x86_64", ()), ("x86_64", ("dpkg-deb",))],
)
def test_where_it_cannot_work_it_is_not_tried(machine: str, programs: tuple[str, ...]) -> None:
    with pytest.raises(SetupError, match="--vm needs"):
        check_machine(machine, only(*programs))


def test_debian_on_x86_will_do() -> None:
    check_machine("x86_64", only("apt-get", "dpkg-deb"))
