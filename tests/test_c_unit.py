"""The layer's pure parts, driven alone and instrumented: tests/c/unit."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MACH = ROOT / "csrc/mach"
PROGRAMS = sorted((ROOT / "tests/c/unit").glob("*.c"))
PARTS = [
    *sorted((MACH / "util").glob("*.c")),
    MACH / "os/os_host.c",
    MACH / "os/os_memfd.c",
    MACH / "os/os_proc.c",
    MACH / "wire/wire_lane.c",
    MACH / "wire/wire_format.c",
]
MEMORY = [
    *sorted((MACH / "vm").glob("*.c")),
    MACH / "os/os_maps.c",
    MACH / "os/os_still.c",
    *(MACH / "api" / f"{name}.c" for name in ("mach_vm", "mach_vm_access", "mach_vm_protect")),
]
"""For the programs of vm_kit.h, which supply what else these want."""
CHANNEL = [MACH / "os/os_fd.c", MACH / "wire/wire_channel.c"]
FLAGS = [
    "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
    f"-I{MACH}", f"-I{MACH / 'include'}",
]  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_unit(source, tmp_path):
    program = tmp_path / source.stem
    text = source.read_text()
    parts = PARTS + (MEMORY if "vm_kit.h" in text else CHANNEL if "wire_channel.h" in text else [])
    built = subprocess.run(
        ["cc", *FLAGS, str(source), *map(str, parts), "-o", str(program), "-pthread"],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
