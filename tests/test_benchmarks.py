"""The benchmarks run; what they measure is never a verdict."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="they read /proc")

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def quick(script, *options):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), "--quick", *options],
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def handoff():
    return json.loads(quick("bench_handoff.py", "--json"))


def test_handoff_measures(handoff):
    assert handoff["ratios"].keys() == {
        "64 bytes: machool / Pipe",
        "ordinary 64 MiB: machool / Pipe",
        "64 MiB: Pipe / clean region",
    }
    assert all(ratio > 0 for ratio in handoff["ratios"].values())
    assert handoff["memory"]["summed PSS, GiB"] > 0


def test_handoff_leaks_nothing(handoff):
    # A leak is no matter of speed: these are counts.
    for side in ("sender", "receiver"):
        early, late = handoff["flat"]["after a tenth"][side], handoff["flat"]["at the end"][side]
        assert late["descriptors"] == early["descriptors"]
        assert late["mappings"] <= early["mappings"] + 2  # the interpreter's own arenas


def test_handoff_prints_a_table():
    lines = quick("bench_handoff.py").splitlines()
    assert any(re.match(r"  machool, a clean region again +[\d,]+\.\d +0\.\d+$", x) for x in lines)
    assert any(re.match(r"ordinary 64 MiB: machool / Pipe +\d+\.\d+$", x) for x in lines)


def build_with_layer(name, folder):
    program, mach = folder / name, BENCHMARKS.parent / "csrc/mach"
    sources = [BENCHMARKS / f"c/{name}.c"]
    for room in ("api", "ipc", "os", "util", "vm", "wire"):
        sources += sorted((mach / room).glob("*.c"))
    flags = [
        '-DMACHOOL_VERSION="0"',
        "-std=gnu11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-D_GNU_SOURCE",
        f"-I{mach}",
    ]
    flags += [f"-I{mach / 'include'}", "-pthread"]
    subprocess.run(["cc", *flags, *map(str, sources), "-o", str(program)], check=True, timeout=50)
    return program


def test_vm_paths_runs(tmp_path):
    program = build_with_layer("bench_vm_paths", tmp_path)
    done = subprocess.run([program, "256"], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ +256 KiB( +\d+\.\d){6}$", done.stdout, re.MULTILINE)


def test_vm_delta_runs(tmp_path):
    program = build_with_layer("bench_vm_delta", tmp_path)
    done = subprocess.run([program, "1024"], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^ +\d+ %(?: +(?:\d+ \(\d+\.\d\d\)|-)){5}$", done.stdout, re.M)) == 16


def test_c_handoff_runs(tmp_path):
    program, root = tmp_path / "bench_handoff", BENCHMARKS.parent
    ask = [sys.executable, "-m", "machool", "config", "--cflags", "--libs"]
    flags = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split()
    sources = [BENCHMARKS / "c/bench_handoff.c", *sorted((root / "csrc/bench").glob("*.c"))]
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{root}/csrc/bench"]
    command += [*map(str, sources), *flags, "-o", str(program)]
    subprocess.run(command, check=True, timeout=50)
    sizes = [0, 1, 4097, 65536, 1 << 20]
    run = [program, "1", *map(str, sizes)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    for size in sizes:
        (line,) = re.findall(rf"^ *{size} (.*)$", done.stdout, re.MULTILINE)
        figures = [float(cell) for cell in line.split() if cell != "-"]
        assert len(figures) == (12 if size < 1 << 20 else 10)
        assert all(figure >= 0 for figure in figures)


def test_readme_names_each():
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    for path in [*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("c/*.c")]:
        assert path.name in readme
