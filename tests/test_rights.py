"""Random programs of rights agree with the model. Longer: -m long, or rights/program.py."""

import os

import pytest

from rights import play, program
from rights.model import COPY_SEND, MAKE_SEND, MOVE_RECEIVE

PROGRAMS = 25
STEPS = 2_000
SEED = int(os.environ.get("MACHOOL_TEST_SEED", "1"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(SEED, SEED + PROGRAMS))
def test_programs_of_rights(seed):
    program.run(seed, STEPS)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_a_million_steps_of_rights():
    for seed in range(1_000, 1_200):
        program.run(seed, 5_000)


class Forgetful(play.Play):
    """Has a model that forgets to count what is made."""

    def insert(self, task, key, how):
        super().insert(task, key, how)
        self.entry(task, key).of.mscount -= how == MAKE_SEND


def test_disagreement_is_found_and_shortened(monkeypatch):
    monkeypatch.setattr(play, "Play", Forgetful)
    with pytest.raises(AssertionError) as info:
        program.run(1, 400)
    lines = str(info.value).split("after\n")[1].splitlines()
    assert "mscount" in str(info.value)
    assert len(lines) == 2  # a port, and a right to it
    assert lines[0].strip().startswith("('allocate'")
    assert lines[1].strip().startswith("('insert'")


def test_program_that_makes_no_sense_is_skipped():
    steps = [
        ("deallocate", 0, "p1"),
        ("send", 0, "home1", COPY_SEND, None, 0, (("p1", MOVE_RECEIVE),), 7),
        ("allocate", 0, "p1", 1),
    ]
    assert program.replay(steps) is None
