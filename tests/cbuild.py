"""Builds the C tests, one program for each folder of tests/c, and lists what is in them.

    python tests/cbuild.py [PROGRAM...]     build (all of them), print their paths

Flags come from ``python -m machool config``, so a program finds the library it was built against.
MACHOOL_SANITIZE instruments the programs as it does the library. Object files live in build/tests-c
and are made again when a source, a header or the command changed.
"""

import dataclasses
import fcntl
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests/c"
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Wstrict-prototypes"]
RUNNER = ["runner", "peer", "counts", "codes"]
MACH_KIT = [
    "mach_kit", "mach_kit_tasks", "way", "port_kit", "array_kit", "bootstrap_kit", "entry_kit",
    "agent",
]  # fmt: skip
SECONDS = 20
"""The time limit of a test that states none."""

_TEST = re.compile(
    r"^(TEST|TEST_FOR|HEAVY_TEST|FAIL_TEST|TEST_BOTH_WAYS|TEST_BOTH_WAYS_FOR)"
    r"\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\)",
    re.MULTILINE,
)


@dataclasses.dataclass(frozen=True)
class CTest:
    """One TEST() of a program."""

    program: str
    name: str
    seconds: int = SECONDS
    heavy: bool = False
    must_fail: bool = False
    both: bool = False
    """One of the two tests of a TEST_BOTH_WAYS."""
    source: Path = Path()
    body: str = dataclasses.field(default="", repr=False)
    """From the opening brace to the end of the function."""


def sources(program: str) -> list[Path]:
    """The C files of a program, its own tests last."""
    harness = TESTS / "harness"
    if program == "selftest":
        return [harness / f"{name}.c" for name in [*RUNNER, "selftest"]]
    return [
        *(harness / f"{name}.c" for name in [*RUNNER, *MACH_KIT]),
        *sorted((TESTS / program).glob("*.c")),
    ]


PROGRAMS = ["selftest", "conform", "stress", "fault", "machool"]


def tests(program: str) -> list[CTest]:
    """What is in a program, read from its sources: listing needs no compiler."""
    found = []
    for source in sources(program):
        text = source.read_text()
        for match in _TEST.finditer(text):
            macro, name, seconds = match.groups()
            both = "BOTH" in macro
            for test in (f"{name}_in_one_task", f"{name}_between_tasks") if both else (name,):
                found.append(
                    CTest(
                        program,
                        test,
                        int(seconds or SECONDS),
                        heavy=macro == "HEAVY_TEST",
                        must_fail=macro == "FAIL_TEST",
                        both=both,
                        source=source,
                        body=text[match.end() : text.index("\n}", match.end())],
                    )
                )
    return found


def config(option: str) -> list[str]:
    """Flags of the package under test."""
    command = [sys.executable, "-m", "machool", "config", option]
    done = subprocess.run(command, check=True, text=True, capture_output=True, env=environment())
    return shlex.split(done.stdout)


def sanitizers() -> list[str]:
    wanted = os.environ.get("MACHOOL_SANITIZE", "")
    if not wanted:
        return []
    return [f"-fsanitize={wanted}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]


def environment() -> dict[str, str]:
    """For an interpreter that is not instrumented and loads a library that is: its runtimes first.

    What the interpreter itself does not free is not ours to report.
    """
    wanted = os.environ.get("MACHOOL_SANITIZE", "").split(",")
    names = {"address": "libasan.so", "thread": "libtsan.so", "undefined": "libubsan.so"}
    ask = [*shlex.split(os.environ.get("CC", "cc")), "-print-file-name="]
    found = [
        subprocess.check_output([*ask[:-1], ask[-1] + names[kind]], text=True).strip()
        for kind in wanted
        if kind in names
    ]
    if not found:
        return dict(os.environ)
    return os.environ | {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0"}


def run(command: list[str], target: Path, newest: float) -> None:
    """Run a command unless its target is there, newer than what it is made from."""
    stamp = target.with_suffix(".command")
    text = shlex.join(command)
    fresh = target.exists() and target.stat().st_mtime >= newest
    if fresh and stamp.exists() and stamp.read_text() == text:
        return
    stamp.unlink(missing_ok=True)
    subprocess.run(command, check=True)
    stamp.write_text(text)


def compile_all(program: str, folder: Path) -> list[Path]:
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-pthread", *WARNINGS, "-Werror"]
    flags.append(f"-I{TESTS}")
    if sys.platform == "darwin":
        flags.append("-Wno-deprecated-declarations")
    if program != "selftest":
        flags += config("--cflags")
    headers = [*TESTS.rglob("*.h"), *(ROOT / "csrc/mach/include").rglob("*.h")]
    newest_header = max(path.stat().st_mtime for path in headers)
    objects = []
    for source in sources(program):
        target = folder / f"{source.parent.name}-{source.stem}.o"
        compiler = shlex.split(os.environ.get("CC", "cc"))
        command = [*compiler, *flags, *sanitizers(), "-c", str(source), "-o", str(target)]
        run(command, target, max(newest_header, source.stat().st_mtime))
        objects.append(target)
    return objects


def build(program: str) -> Path:
    """Bring a program up to date."""
    variant = "-".join(["tests-c", *os.environ.get("MACHOOL_SANITIZE", "").split(",")]).rstrip("-")
    folder = ROOT / "build" / variant / program
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        objects = compile_all(program, folder)
        target = folder / program
        libraries = [] if program == "selftest" else config("--libs")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        command = [*compiler, *sanitizers(), "-pthread", *map(str, objects)]
        command += [*libraries, "-o", str(target)]
        run(command, target, max(path.stat().st_mtime for path in objects))
    return target


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PROGRAMS:
        print(build(wanted))
