"""The stubs say what the modules have, and type checkers understand programs that use them."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="not among the tools of free-threaded interpreters")

ROOT = Path(__file__).resolve().parent.parent

SAMPLE = """
import machool

def handler(request: machool.Message) -> None:
    size: int = sum(len(part) for part in request.ool)
    request.reply(str(size).encode(), ool=[b"bytes", machool.OOL(bytearray(3))], ports=[None])

with machool.Server("name", queue_limit=7, allow_uids=[1]) as server:
    server.serve(handler, threads=2)
    first: machool.Message = next(iter(server))

with machool.Client("name", timeout=1.5) as client:
    reply = client.request(memoryview(b"x"), ool=machool.Region(10), id=4, readonly=True)
    view: memoryview = reply.ool[0]
    where: int = reply.descriptors[0].address
    pid: int = reply.sender.pid
    right: machool.Port | None = reply.ports[0]

try:
    machool.Region(-1)
except machool.TimedOut as error:
    code: int = error.code
    hint: str = error.hint
number: int = machool.mach.MACH_RCV_TIMED_OUT
"""

WRONG = ['machool.Client(b"name")', 'machool.Region("10")', "machool.OOL(3)"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=55
    )


def test_stubtest():
    done = run(
        "mypy.stubtest",
        "machool",
        "--mypy-config-file=pyproject.toml",
        "--allowlist=tests/stubtest-allowlist.txt",
        "--ignore-unused-allowlist",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_programs_are_understood(tmp_path):
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)
    done = run("mypy", "--strict", str(sample))
    assert done.returncode == 0, done.stdout


def test_mistakes_are_found(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import machool\n" + "\n".join(WRONG) + "\n")
    done = run("mypy", "--strict", str(wrong))
    assert done.stdout.count("error:") == len(WRONG), done.stdout
