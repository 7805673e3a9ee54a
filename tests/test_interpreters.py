"""Other interpreters: subinterpreters with a GIL of their own, and other versions of Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import machool

SOURCE = Path(machool.__file__).resolve().parent.parent

EXCHANGE = """
import os, threading
import machool
name = f"com.example.machool.versions.{os.getpid()}.{threading.get_native_id()}"
with machool.Server(name) as server, machool.Client(name, timeout=20) as client:
    thread = threading.Thread(target=server.serve, args=(lambda m: m.reply(ool=m.ool[0]),))
    thread.start()
    view = client.request(ool=bytes(range(256)) * 1000).ool[0]
    assert bytes(view) == bytes(range(256)) * 1000
    server.shutdown()
    thread.join()
"""

SUBINTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
    make = lambda: interpreters.create("isolated")
except ImportError:
    import _xxsubinterpreters as interpreters
    make = lambda: interpreters.create(isolated=True)
import machool
source = '''
import machool
region = machool.Region(300_000)
view = memoryview(region)
view[0] = 1
port = machool.Port()
port.send(b"x", ool=region)
part = port.receive(timeout=5).ool[0]
view[0] = 2
assert part[0] == 1
try:
    machool.Client("com.example.machool.nobody")
except machool.ServiceNotFound:
    pass
'''
for _ in range(3):
    made = [make(), make()]
    for one in made:
        result = interpreters.run_string(one, f"import sys; sys.path[:] = {sys.path!r}\\n" + source)
        assert result is None, result
    for one in made:
        interpreters.destroy(one)
machool.Port().close()
"""


def found(version: str) -> str | None:
    """An interpreter of that version on this machine."""
    candidates = [shutil.which(f"python{version}")]
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    for root in roots:
        candidates += [str(path) for path in sorted(root.glob(f"{version}.*/bin/python"))]
    for candidate in filter(None, candidates):
        check = f"import sys; assert '%d.%d' % sys.version_info[:2] == '{version}'"
        if subprocess.run([candidate, "-c", check], capture_output=True).returncode == 0:
            return candidate
    return None


def run(version: str, source: str) -> None:
    python = found(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    if not list(SOURCE.glob("machool/_machool.abi3.so")):
        pytest.skip("this build is for one version of Python only")
    done = subprocess.run(
        [python, "-W", "error::ImportWarning", "-c", source],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_one_build_serves_many_versions(version):
    run(version, EXCHANGE)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_subinterpreters(version):
    run(version, SUBINTERPRETERS)


def test_two_module_objects_are_independent():
    source = """
import importlib, sys
import machool
first = sys.modules.pop("machool._machool")
second = importlib.import_module("machool._machool")
assert first is not second
assert first.Region is not second.Region
a, b = first.Region(100), second.Region(100)
memoryview(a)[0] = 1
assert memoryview(b)[0] == 0
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=30)
