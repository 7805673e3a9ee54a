"""`python -m machool config` and machool.pc: what a C program needs, and that it is enough."""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from machool import _config

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = """
#include <mach/mach.h>
#include <mach/machool.h>
#include <servers/bootstrap.h>
#include <stdio.h>

int main(void)
{
    mach_port_t port;
    kern_return_t kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    printf("%d %d %s\\n", kr, port != MACH_PORT_NULL, machool_version());
    return 0;
}
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="the system itself has Mach")


def config(*options: str) -> str:
    command = [sys.executable, "-m", "machool", "config", *options]
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def build_and_run(folder: Path, flags: str) -> str:
    source, program = folder / "prog.c", folder / "prog"
    source.write_text(PROGRAM)
    command = ["cc", "-Wall", "-Werror", str(source), "-o", str(program), *shlex.split(flags)]
    subprocess.run(command, check=True)
    return subprocess.run(
        ["env", "-i", str(program)], check=True, text=True, capture_output=True, cwd="/"
    ).stdout


@linux
def test_program_runs_without_environment(tmp_path):
    printed = build_and_run(tmp_path, config("--cflags", "--libs"))
    assert printed == f"0 1 {version()}\n"


@linux
def test_pkg_config_says_the_same(tmp_path):
    environment = {**os.environ, "PKG_CONFIG_PATH": config("--pkgconfigdir").strip()}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "machool"],
        check=True,
        text=True,
        capture_output=True,
        env=environment,
    ).stdout
    assert build_and_run(tmp_path, flags) == f"0 1 {version()}\n"
    found = subprocess.run(
        ["pkg-config", "--modversion", "machool"],
        check=True,
        text=True,
        capture_output=True,
        env=environment,
    ).stdout
    assert found.strip() == version()


@linux
def test_folders():
    include, libraries, packages = config("--includedir", "--libdir", "--pkgconfigdir").split()
    assert Path(include, "mach/mach.h").is_file()
    assert Path(libraries, "libmachool.so").is_file()
    assert Path(packages, "machool.pc").is_file()
    assert config("--cflags") == f"-I{include}\n"
    assert config("--libs") == f"-L{libraries} -Wl,-rpath,{libraries} -lmachool\n"


def test_nothing_asked_is_a_mistake():
    command = [sys.executable, "-m", "machool", "config"]
    result = subprocess.run(command, text=True, capture_output=True)
    assert result.returncode == 2
    assert "--cflags" in result.stderr
    assert result.stdout == ""


def test_macos_needs_no_flags(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _config.cflags() == _config.libs() == []


def test_blanks_are_quoted(monkeypatch, capsys):
    monkeypatch.setattr(_config, "_PACKAGE", Path("/a b/machool"))
    monkeypatch.setattr(sys, "platform", "linux")
    from machool.__main__ import main

    assert main(["config", "--libs"]) == 0
    printed = shlex.split(capsys.readouterr().out)
    assert printed == ["-L/a b/machool", "-Wl,-rpath,/a b/machool", "-lmachool"]


def test_version():
    command = [sys.executable, "-m", "machool", "--version"]
    printed = subprocess.run(command, check=True, text=True, capture_output=True).stdout
    assert printed == f"machool {version()}\n"
