"""No public callable leaks: `isolated/leaks.py` in a process of its own."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import machool

TESTS = Path(__file__).resolve().parent
SCRIPT = TESTS / "isolated/leaks.py"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_grows():
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == {}


def test_every_callable_is_there():
    text = SCRIPT.read_text(encoding="utf-8")
    covered = set(
        re.findall(r'"([A-Za-z_.]+)"', "".join(re.findall(r"@case\((.*?)\)\ndef", text, re.S)))
    )
    classes = [
        value for name in machool.__all__ if isinstance(value := getattr(machool, name), type)
    ]
    own = [cls for cls in classes if cls.__module__ in ("machool._machool", "machool.service")]
    missing = [
        f"{cls.__name__}.{name}"
        for cls in own
        for name in vars(cls)
        if not name.startswith(("_", "n_")) and callable(getattr(cls, name))
    ]
    assert {name for name in missing if name not in covered} <= {"PortStatus.count"}
    assert {"names", "stats", "trim", "set_limits"} <= covered
