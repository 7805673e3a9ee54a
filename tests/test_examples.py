"""The examples run and prove what they say; the article's programs talk in all four pairings."""

import itertools
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
ARTICLE = EXAMPLES / "article"

# What each script prints; every one ends by saying what it has proved.
SAYS = {
    "c_and_python.py": [
        "Python server, Python client: Hello, OOL data!",
        "Python server, C client: Hello, OOL data!",
        "C server, Python client: Hello, OOL data!",
        "C server, C client: Hello, OOL data!",
    ],
    "change_of_hands.py": [
        *[r"customer: answered by the first one"] * 3,
        *[r"customer: answered by the successor"] * 3,
        r"proved: .*",
    ],
    "killed_producer.py": [
        r"producer \d+: ended by SIGKILL",
        r"received b'my last words' and 64 MiB from \d+",
    ],
    "many_clients.py": ["8 clients, 200 regions handed out and written to"],
    "numpy_there_and_back.py": [
        r"sent  float64 \(2000, 2000\), last element 3,999,999",
        r"back  float64 \(2000, 2000\), last element 7,999,998",
    ],
    "one_gibibyte.py": [
        r"client: filled \d+ MiB, PSS \d+ MiB",
        r"server: read \d+ MiB, PSS \d+ MiB",
        r"client: read \d+ MiB, PSS \d+ MiB; with the server's \d+ MiB",
    ],
    "two_processes.py": [
        r"client \d+: first  = b'editedwas sent'",
        r"client \d+: second = b'as it was sent', 1,048,576 bytes",
        r"server \d+: region = b'as it was sent'",
    ],
}

EXPECTED = [
    "got response message!",
    "id      : 8",
    "bodyS   : Response - Hello Mach!",
    "bodyI   : 510",
    "Hello, OOL data!",
    "copy option: 1",
]


def run(*command: str, timeout: float = 50) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(script: str, *arguments: str) -> list[str]:
    lines = run(sys.executable, str(EXAMPLES / script), *arguments).splitlines()
    for pattern in SAYS[script]:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, lines)
    assert lines[-1].startswith("proved: ")
    return lines


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "one_gibibyte.py"])
def test_script(script):
    if script.startswith("numpy"):
        pytest.importorskip("numpy", reason="not among the tools of free-threaded interpreters")
    check(script)


@pytest.mark.skipif(sys.platform != "linux", reason="PSS is read from /proc")
@pytest.mark.parametrize("size", [64, pytest.param(1024, marks=pytest.mark.big)])
def test_memory_is_there_once(size):
    last = check("one_gibibyte.py", str(size))[-1]
    times = float(re.search(r"([\d.]+) times in memory", last)[1])
    # Two interpreters are part of the sum; a free-threaded one's allocator keeps what was freed.
    interpreters = 48 if sysconfig.get_config_var("Py_GIL_DISABLED") else 24
    assert times * size <= 1.05 * size + interpreters


def test_each_is_short_and_listed():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in [*EXAMPLES.glob("*.py"), *ARTICLE.glob("*.py")]:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 60, path.name
    for path in EXAMPLES.rglob("*.*"):
        if path.parent.name == "mach":
            continue  # has a list of its own: test_examples_mach.py
        if path.suffix in (".py", ".c", ".ipynb"):
            assert path.relative_to(EXAMPLES).as_posix() in readme


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The article's programs: commands by language and side."""
    flags = shlex.split(run(sys.executable, "-m", "machool", "config", "--cflags", "--libs"))
    folder = tmp_path_factory.mktemp("article")
    commands = {}
    for side in ("server", "client"):
        program = folder / side
        run("cc", str(ARTICLE / f"ool_{side}.c"), *flags, "-o", str(program))
        commands["C", side] = [str(program)]
        commands["Python", side] = [sys.executable, str(ARTICLE / f"ool_{side}.py")]
    return commands


@pytest.mark.parametrize(
    ("server", "client"), list(itertools.product(["C", "Python"], ["C", "Python"]))
)
def test_article(programs, server, client):
    name = f"com.example.article.{os.getpid()}.{server}.{client}"
    with subprocess.Popen(
        [*programs[server, "server"], name], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()  # it says when it can be found
            lines = run(*programs[client, "client"], name).splitlines()
        finally:
            process.kill()
    for expected in EXPECTED:
        assert expected in lines
    assert any(line.startswith("buffer addr: 0x") for line in lines)
    assert f"total buffer size: {os.sysconf('SC_PAGESIZE'):#x}" in lines
