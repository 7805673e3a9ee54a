"""The benchmarks run; what they measure is never a verdict."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def test_handoff():
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "bench_handoff.py"), "--quick", "--json"],
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert all(ratio > 0 for ratio in result["ratios"].values())
    # A leak is no matter of speed: these are counts.
    assert (
        result["flat"]["after a tenth"]["descriptors"]
        == result["flat"]["at the end"]["descriptors"]
    )
