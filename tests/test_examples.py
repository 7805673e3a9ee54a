"""The examples run and prove what they say; the article's programs talk in all four pairings."""

import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
ARTICLE = EXAMPLES / "article"

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


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script):
    assert run(sys.executable, str(EXAMPLES / script)).strip()


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
