"""llama.cpp for Vulkan, and the device that Debian's Mesa makes of the CPU (llvmpipe)."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from bootstrap import llama_wheel
from bootstrap.ensure import turn
from bootstrap.logged import run_logged

_GLSLC = Path(__file__).with_name("glslc.sh")
_PACKAGES = {  # a file of each
    "glslc": "usr/bin/glslc",
    "libvulkan-dev": "usr/include/vulkan/vulkan.hpp",
    "mesa-vulkan-drivers": "usr/share/vulkan/icd.d/lvp_icd*.json",
    "spirv-headers": "usr/include/spirv/unified1/spirv.hpp",
}
HERE = platform.machine() == "x86_64" and Path("/etc/debian_version").exists()


def vulkan_environment(cache: Path, root: Path = Path("/")) -> dict[str, str]:
    """Variables with which a Python finds llama.cpp for Vulkan, and that the device.

    It is built once, with the shaders that tests need, and kept below `cache`.
    """
    missing = [package for package, file in _PACKAGES.items() if not any(root.glob(file))]
    assert not missing, f"apt-get install --no-install-recommends {' '.join(missing)}"
    (driver,) = root.glob(_PACKAGES["mesa-vulkan-drivers"])
    return {
        "PYTHONPATH": str(_installed(cache)),
        "VK_DRIVER_FILES": str(driver),
        "GGML_VK_VISIBLE_DEVICES": "0",  # or one that a CPU computes is left out
    }


def _installed(cache: Path) -> Path:
    """The folder of the package llama_cpp."""
    digest = hashlib.sha256(_GLSLC.read_bytes()).hexdigest()[:12]  # for the key of the wheel
    args = f"-DGGML_VULKAN=on -DVulkan_GLSLC_EXECUTABLE={_GLSLC} -DEDGE_RT_SHADERS={digest}"
    recipe = llama_wheel.recipe(args)
    place = cache / "vulkan" / recipe.key
    with turn(cache / "setup.lock"):
        wheel = llama_wheel.find(cache, recipe) or llama_wheel.build(
            Path(sys.executable), cache, recipe
        )
        if not (place / "llama_cpp").is_dir():
            words = ["install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
            run_logged([sys.executable, "-m", "pip", *words], cache / "logs/vulkan.log")
    return place
