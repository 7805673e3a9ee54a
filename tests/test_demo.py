"""`python -m machool demo`: both sides at once, and each side in a process of its own."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

DEMO = [sys.executable, "-m", "machool", "demo"]
ARTICLE = re.compile(
    r"got response message!\n"
    r"id      : 8\n"
    r"bodyS   : Response - Hello Mach!\n"
    r"bodyI   : 510\n"
    r"Hello, OOL data!\n"
    r"copy option: 1\n"
    r"buffer addr: 0x[0-9a-f]+\n"
    r"total buffer size: 0x[0-9a-f]+\n"
)


@contextmanager
def server(name):
    with subprocess.Popen([*DEMO, "--server", name], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert name in process.stdout.readline()
            yield process
        finally:
            process.kill()


def client(name):
    return subprocess.run([*DEMO, "--client", name], text=True, capture_output=True)


def test_demo_prints_what_the_article_prints():
    result = subprocess.run(DEMO, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    article, _, paragraph = result.stdout.partition("\n\n")
    assert ARTICLE.fullmatch(article + "\n")
    (size,) = re.findall(r"total buffer size: 0x([0-9a-f]+)", article)
    assert int(size, 16) % 4096 == 0
    assert re.search(r"handed\s+over\s+in\s+[\d,]+\s+us", paragraph)
    assert result.stderr == ""


def test_two_terminals():
    with server("com.example.demo.terminals") as process:
        for _ in range(2):
            result = client("com.example.demo.terminals")
            assert result.returncode == 0, result.stderr
            assert ARTICLE.match(result.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_client_without_server_is_told_what_to_do():
    result = client("com.example.demo.nobody")
    assert result.returncode == 1
    assert "--server com.example.demo.nobody" in result.stderr
    assert "Traceback" not in result.stderr


def test_second_server_of_a_name_is_refused():
    with server("com.example.demo.twice"):
        result = subprocess.run(
            [*DEMO, "--server", "com.example.demo.twice"], text=True, capture_output=True
        )
        assert result.returncode == 1
        assert "com.example.demo.twice" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [["--server", "a", "--client", "b"], ["--client"]])
def test_mistaken_options(options):
    result = subprocess.run([*DEMO, *options], text=True, capture_output=True)
    assert result.returncode == 2
