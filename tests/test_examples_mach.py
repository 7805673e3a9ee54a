"""The C programs of examples/mach build without a warning, run, and print what they promise."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "examples/mach"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.c"))
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Wstrict-prototypes"]

# Every line that each program prints, in order, but for those whose order is nobody's promise.
PRINTS = {
    "copy_on_write": [
        "parent: sent 256 MiB in a message of 44 bytes",
        "child: the parent has rewritten its memory",
        "child: mine holds what was sent",
        "parent: mine holds what I wrote",
    ],
    "dead_name": [
        "the child's port is a send right",
        "notified: it is a dead name",
        "with 2 references: the right's, and the notification's",
    ],
    "inherited_port": [
        "parent: a message at a port that has no name",
        "child: my parent has answered",
        "child: and the real bootstrap port works",
    ],
    "large_messages": [
        "client: message of 100 bytes",
        "client: message of 40 bytes",
        "client: message of 5000 bytes",
        "client: message of 300000 bytes",
        "client: message of 80 bytes",
        "client: the buffer grew 2 times",
    ],
    "memory_entry": [
        "child reads: hello, child",
        "parent reads: hello, parent",
        "2 writers in one page",
    ],
    "no_senders": [
        "3 clients said hello",
        "nobody is left: 3 rights had been made, the service ends",
    ],
    "ool_ports": [
        "parent: 100 rights in a message of 44 bytes",
        "child: 100 messages, each at the port of its number",
    ],
    "pass_receive_right": [
        "parent: 3 questions answered, giving the service away",
        "successor: the service is mine",
        "client: 6 answers, the last by another process",
    ],
    "pass_send_right": [
        "broker: passing it on",
        "customer: got a right to send to the worker",
        "worker: a job from a third process, not from the broker",
    ],
    "ping_pong": [
        "parent: ping 1",
        "child: pong 2",
        "parent: ping 3",
        "child: pong 4",
        "parent: ping 5",
        "child: pong 6",
        "done after 3 rounds",
    ],
    "port_set": [
        "orders: message 1",
        "orders: message 2",
        "orders: message 3",
        "2 ports are left in the set",
    ],
    "reply_port": [
        "client: 1 + 10 = 11",
        "client: 2 + 20 = 22",
        "client: 3 + 30 = 33",
        "client: a notification says that no reply will come",
        "server: 5 requests",
    ],
    "server_loop": [
        "20 squares, 20 notes, 2 clients",
        "ended because there was nothing to receive from: yes",
    ],
}


def run(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    config = run(sys.executable, "-m", "machool", "config", "--cflags", "--libs")
    flags = [*shlex.split(" ".join(config)), "-Wno-deprecated-declarations"]  # macOS: bootstrap
    folder = tmp_path_factory.mktemp("examples")

    def build(name: str) -> str:
        program = str(folder / name)
        run("cc", *WARNINGS, "-Werror", str(FOLDER / f"{name}.c"), *flags, "-o", program)
        return program

    return build


@pytest.mark.parametrize("name", [name for name in PRINTS if name != "port_set"])
def test_program(build, name):
    assert run(build(name)) == PRINTS[name]


def test_port_set(build):
    lines = run(build("port_set"))
    lines.remove("complaints: message 4")  # between two ports of a set there is no order
    assert lines == PRINTS["port_set"]


@pytest.mark.parametrize("limit", [1, 5, 1024])
def test_throughput(build, limit):
    (line,) = run(build("throughput"), "3", "500", str(limit))
    assert re.fullmatch(r"1500 messages from 3 clients, [1-9]\d* in a second", line)


def test_every_program_is_run_listed_and_short():
    assert sorted([*PRINTS, "throughput"]) == PROGRAMS
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in PROGRAMS:
        text = (FOLDER / f"{name}.c").read_text(encoding="utf-8")
        assert f"| `{name}.c` |" in readme
        assert text.startswith("/*\n * ")
        assert len(text.splitlines()) <= 150, name


def test_guide(build, tmp_path):
    """docs/c.md: its program runs, its headers are there, and its table leads to every program."""
    text = (FOLDER.parents[1] / "docs/c.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```c\n(.*?)```", text, re.DOTALL)
    (tmp_path / "guide.c").write_text(program, encoding="utf-8")
    assert run(build(str(tmp_path / "guide"))) == ["a port: yes"]
    assert {*re.findall(r"\| `(\w+)\.c` \|$", text, re.M)} == {*PROGRAMS}
    includes = re.findall(r"`((?:mach|servers)/\w+\.h)`", text)
    assert {"mach/mach.h", "servers/bootstrap.h"} < set(includes)
    lines = [f"#include <{header}>" for header in includes]
    (tmp_path / "all.c").write_text("\n".join([*lines, "int main(void) { return 0; }\n"]))
    assert run(build(str(tmp_path / "all"))) == []
