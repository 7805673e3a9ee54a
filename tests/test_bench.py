"""python -m machool bench measures what it says; how fast that was is never a verdict."""

import json
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it measures the layer on Linux")


def bench(*options):
    done = subprocess.run(
        [sys.executable, "-m", "machool", "bench", *options],
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "report.json"
    done = bench("--quick", "--rounds=1", "--sizes=0,64,64K", "--json", str(path))
    return done, json.loads(path.read_text())


def test_each_contestant_is_measured(report):
    trips = report[1]["round trips"]
    assert {row["size"] for row in trips} == {0, 64, 65536}
    for name, ways in {
        "machool": {"copy", "built", "again"},
        "kept SharedMemory": {"copy", "built"},
        "kept SharedMemory, spinning": {"copy", "built"},
        "new SharedMemory": {"copy", "built"},
        "Pipe": {"copy"},
        "Queue": {"copy"},
        "limit in C": {"copy", "built"},
        "socket in C": {"copy"},
        "machool in C": {"copy", "built", "again"},
    }.items():
        assert {row["way"] for row in trips if row["name"] == name} == ways
    for row in trips:
        assert row["steps"] > 0
        assert 0 < row["hot"] <= row["worst"]
        assert row["cpu"] >= 0
        assert row["asleep"] > 0


def test_table(report):
    lines = report[0].stdout.splitlines()
    assert any(re.match(r"64 KiB +µs +of Pipe +of kept", line) for line in lines)
    (ours, *_) = (line for line in lines if line.startswith("  machool, built"))
    assert len(re.findall(r" [\d,.]+", ours)) == 7
    assert any(re.match(r"  Pipe, copy +[\d,.]+ +1 ", line) for line in lines)


def test_machine_facts(report):
    facts = report[1]["machine"]
    assert facts["cpus"] >= 1
    assert facts["page size"] >= 4096
    assert facts["huge pages for shared memory"]
    assert facts["python"]


def test_progress_goes_to_stderr(report):
    assert "round trips of 64 KiB" in report[0].stderr
    assert "round trips of" not in report[0].stdout


def test_nothing_stays_behind(report):
    """Neither segments nor the resource tracker's complaints."""
    assert "leaked" not in report[0].stderr
    assert "Traceback" not in report[0].stderr


@pytest.mark.parametrize(
    "option", ["--sizes=x", "--sizes=-1", "--sizes=64,", "--sizes=9G", "--rounds=0"]
)
def test_wrong_options_are_told(option):
    done = subprocess.run(
        [sys.executable, "-m", "machool", "bench", option],
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 2
    assert f"argument {option.split('=')[0]}" in done.stderr


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from machool.bench import touch
for size in (0, 1, 64, 4096, 5000, 3 << 20, (1 << 20) + 7):
    buffer, fill, read = bytearray(size), touch.filler(size), touch.reader(size)
    for value in (1, 77, touch.VALUES):
        fill(buffer, value)
        assert read(buffer) == touch.expected(size)[value], (size, value)
        if size > 1:
            buffer[size // 2] ^= 1
            assert read(buffer) != touch.expected(size)[value], (size, value)
print("good")
"""


def test_touch_without_numpy():
    """Every byte counts, whichever way it is read."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, timeout=55
    )
    assert done.stdout == "good\n", done.stderr
