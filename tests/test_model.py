"""The model of counting and moving (model/README.md), run over schedules."""

import os
import subprocess

import pytest

import cbuild
from model.rules import RULES
from model.schedule import Schedule
from model.world import RASH

SHORT, LONG = 700, 100_000


def violations(first: int, count: int, off: frozenset[str] = frozenset()):
    for seed in range(first, first + count):
        verdict = Schedule(seed, off).run()
        if verdict:
            yield f"seed {seed}: {verdict}"


@pytest.mark.slow
def test_schedules():
    assert list(violations(0, SHORT)) == []
    assert list(violations(RASH, SHORT // 2)) == []


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_schedules():
    assert list(violations(1_000_000, LONG)) == []
    assert list(violations(RASH + 1_000_000, LONG // 2)) == []


@pytest.mark.slow
@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.seed is not None])
def test_rule_is_needed(rule):
    """Without it the schedule that is known for it goes wrong; with it, it does not."""
    seed = RULES[rule].seed
    assert list(violations(seed, 1)) == []
    assert list(violations(seed, 1, frozenset({rule})))


def play(seed: int | None) -> None:
    """Twelve schedules of tasks that are stopped and killed, in C."""
    program = cbuild.build("schedule")
    own = {} if seed is None else {"MACHOOL_TEST_SEED": str(seed)}
    subprocess.run([program], check=True, timeout=300, env=os.environ | own)


@pytest.mark.timeout(300)
def test_some_real_processes():
    """What players do depends on the seed; how they meet, on the system."""
    for seed in range(1, 4):
        play(seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_real_processes():
    """A few hundred of them."""
    for _ in range(50):
        play(None)
