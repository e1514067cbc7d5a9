from __future__ import annotations

from pathlib import Path

from bootstrap.llama_wheel import processor

X86 = (
    "processor : {n}\nvendor_id : GenuineIntel\ncpu MHz : {mhz}\nflags : fpu avx2 {extra} sse4_2\n"
)
ARM = "processor : {n}\nFeatures : fp asimd\nCPU implementer : 0x41\nCPU part : {part}\n"


def at(root: Path, text: str) -> Path:
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/cpuinfo").write_text(text)
    return root


def test_cores_of_one_kind_count_once_and_the_clock_not_at_all(tmp_path: Path) -> None:
    one = processor(at(tmp_path / "a", X86.format(n=0, mhz=900, extra="")))
    text = "\n".join(X86.format(n=n, mhz=1000 + n, extra="") for n in range(4))
    assert processor(at(tmp_path / "b", text)) == one


def test_a_flag_counts_when_compilers_know_it(tmp_path: Path) -> None:
    plain = processor(at(tmp_path / "a", X86.format(n=0, mhz=1, extra="")))
    kernel = processor(at(tmp_path / "b", X86.format(n=0, mhz=1, extra="ibrs")))
    avx512 = processor(at(tmp_path / "c", X86.format(n=0, mhz=1, extra="avx512f")))
    assert plain == kernel
    assert plain != avx512


def test_big_and_little_cores_both_count(tmp_path: Path) -> None:
    text = "\n".join(ARM.format(n=n, part=part) for n, part in enumerate(("0xd03", "0xd0b")))
    facts = processor(at(tmp_path, text))
    assert {"CPU part=0xd03", "CPU part=0xd0b", "flags=fp asimd"} <= set(facts)


def test_no_cpuinfo_is_no_facts(tmp_path: Path) -> None:
    assert processor(tmp_path) == []
