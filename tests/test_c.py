"""The C tests: every TEST() of tests/c is one id here. How to run one by hand: tests/README.md."""

import os
import subprocess
from pathlib import Path

import pytest

import cbuild
from cbuild import CTest

GIB = 1 << 30


def available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def parameter(test: CTest) -> object:
    marks = [pytest.mark.timeout(test.seconds + 30)]
    if test.heavy:
        marks += [pytest.mark.big, pytest.mark.slow]
    return pytest.param(test, id=f"{test.program}-{test.name}", marks=marks)


def of(*programs: str) -> list[object]:
    return [
        parameter(test)
        for program in programs
        if program in cbuild.PROGRAMS
        for test in cbuild.tests(program)
    ]


@pytest.fixture(scope="session")
def program():
    """Builds each program once a session, when a test first wants it."""
    built: dict[str, Path] = {}

    def path(name: str) -> Path:
        if name not in built:
            built[name] = cbuild.build(name)
        return built[name]

    return path


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def skip_if_gated(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode == 77:
        reasons = [line.split("gate: ")[1] for line in done.stdout.splitlines() if "gate: " in line]
        pytest.skip(reasons[0])


@pytest.mark.parametrize("test", of("conform", "stress", "fault", "machool"))
def test_c(test: CTest, program) -> None:
    if test.heavy and available_memory() < 12 * GIB:
        pytest.skip("wants 12 GiB of free memory for both tasks' pages")
    done = run(program(test.program), *["--heavy"] * test.heavy, test.name)
    skip_if_gated(done)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_conformance_with_forked_peers(program) -> None:
    """Every peer a forked child instead of a fresh program: the layer must not mind (S142)."""
    done = run(program("conform"), "--fork-peers")
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if not line.startswith(("ok", "skip"))
    )


MEMORY = ["big", "cleaning", "ool_copy", "ool_receive", "ool_send", "pseudo", "resend", "seed",
          "snapshot"]  # fmt: skip
"""Files of conform about out-of-line memory, which goes in loans where there are any."""
MEMORY_TOO = ["fork", "ool_ports", "vm", "vm_access", "vm_entries_tasks", "vm_inherit",
              "vm_protect", "vm_region", "vm_remap"]  # fmt: skip
STRESS = ["kill", "limits", "memory"]


def whole_files() -> list[object]:
    """Each file's tests in one run of the program."""
    return [
        pytest.param(program, stem, marks=marks, id=f"{program}-{stem}")
        for program, stems, marks in [
            ("conform", MEMORY, [pytest.mark.slow]),
            ("machool", ["loans"], []),
            ("stress", ["loans"], [pytest.mark.slow]),
            ("conform", MEMORY_TOO, [pytest.mark.long]),
            ("stress", STRESS, [pytest.mark.long]),
        ]
        for stem in stems
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "stem"), whole_files())
def test_c_without_loans(name: str, stem: str, program) -> None:
    """What holds of memory holds when it travels in sealed objects, too."""
    tests = [
        test.name for test in cbuild.tests(name) if test.source.stem == stem and not test.heavy
    ]
    done = run(program(name), *tests, MACHOOL_LOANS="0")
    skip_if_gated(done)
    assert tests
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if not line.startswith(("ok", "skip"))
    )


@pytest.mark.parametrize("name", cbuild.PROGRAMS)
def test_list_is_complete(name: str, program) -> None:
    """What is read from the sources is what the program has."""
    listed = [line.split()[0] for line in run(program(name), "--list").stdout.splitlines()]
    assert sorted(listed) == sorted(test.name for test in cbuild.tests(name))


# --- the runner itself ----------------------------------------------------------------------------

REASONS = {
    "leaks_a_descriptor": "descriptors: ",
    "loses_a_descriptor": "- descriptor 0",
    "leaks_a_mapping": "mappings: ",
    "leaks_a_joined_mapping": "mappings: ",
    "hangs": "FAIL hangs: timed out",
    "crashes": "killed by signal 11",
    "aborts": "killed by signal 6",
    "exits_early": "exit status 3",
    "exits_with_success": "FAIL exits_with_success: exit status 0",
    "breaks_an_assertion": "2 + 2: expected 5 = 0x5 (5), got 0x4 (4)",
    "gets_another_code": "expected MACH_SEND_INVALID_DEST (0x10000003), got MACH_RCV_TIMED_OUT",
    "has_a_failing_peer": 'selftest_fails: "something else": expected "expected"',
    "has_a_crashing_peer": "peer selftest_crashes: killed by signal 11",
    "forgets_a_peer": "1 peers were never joined",
}


def must_fail() -> list[str]:
    return [test.name for test in cbuild.tests("selftest") if test.must_fail]


def test_every_planted_fault_has_a_reason_here() -> None:
    assert sorted(REASONS) == sorted(must_fail())


@pytest.mark.parametrize("name", must_fail())
def test_runner_reports_a_planted_fault(name: str, program) -> None:
    done = run(program("selftest"), "--plain", name)
    assert done.returncode == 1, done.stdout
    assert f"FAIL {name}: " in done.stdout
    assert REASONS[name] in done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 gated, 0 skipped"


def test_runner_passes_what_is_right(program) -> None:
    done = run(program("selftest"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == (
        f"{len(cbuild.tests('selftest')) - 1} passed, 0 failed, 1 gated, 0 skipped"
    )


def test_runner_tells_gates_from_passes(program) -> None:
    done = run(program("selftest"), "is_gated")
    assert done.returncode == 77
    with pytest.raises(pytest.skip.Exception, match="two and two are four"):
        skip_if_gated(done)


def test_runner_refuses_unknown_names(program) -> None:
    assert run(program("selftest"), "no_such_test").returncode == 2
    assert run(program("selftest"), "--no-such-option").returncode == 2


def test_runner_ends_the_peers_of_a_failed_test(program) -> None:
    command = [program("selftest"), "--plain", "has_a_failing_peer", "forgets_a_peer", "hangs"]
    runner = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert runner.wait(timeout=60) == 1
    assert running_in_session(runner.pid) == []


def running_in_session(session: int) -> list[str]:
    """Processes of a session that have not ended; zombies have."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, _parent, _group, of, *_ = (
                Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            )
        except OSError:
            continue
        if int(of) == session and state not in "ZX":
            found.append(pid)
    return found
