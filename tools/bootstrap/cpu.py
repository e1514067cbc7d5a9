"""What a build with -march=native depends on."""

from __future__ import annotations

from pathlib import Path

# Kernel updates add and drop x86 flags that no compiler knows; only these change the code.
_X86_CODE = ("sse", "ssse", "avx", "fma", "f16c", "bmi", "amx", "abm", "popcnt", "gfni", "vaes")
_KEYS = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part", "CPU variant")


def identity(root: Path = Path("/")) -> list[str]:
    """The kinds of core in proc/cpuinfo under `root`, sorted, one string a fact."""
    try:
        lines = (root / "proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return sorted({fact for line in lines if (fact := _fact(line))})


def _fact(line: str) -> str | None:
    key, _, value = (part.strip() for part in line.partition(":"))
    if key in _KEYS:
        return f"{key}={value}"
    if key == "Features":
        return f"flags={value}"
    if key == "flags":
        return "flags=" + " ".join(flag for flag in value.split() if flag.startswith(_X86_CODE))
    return None
