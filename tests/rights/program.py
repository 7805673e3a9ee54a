"""Programs: made up and taken, taken again, shortened.

    python -m rights.program [--seed N] [--steps N] [--programs N]

A step is a tuple of words and ids, so a program is a list that prints. One that fails is shortened,
by leaving out steps as long as it still fails, each time in fresh processes.
"""

import argparse
import contextlib
import random
from collections.abc import Iterator

from rights import play as plays
from rights.author import Author
from rights.play import Play, Skip, Step

CHECK = 25  # steps between two looks at everything


class Failed(AssertionError):
    """A program that real tasks take otherwise than the model."""

    def __init__(self, steps: list[Step], error: AssertionError) -> None:
        program = "\n".join(f"    {step!r}," for step in steps)
        super().__init__(f"{error}\nafter\n{program}")
        self.steps = steps


@contextlib.contextmanager
def playing() -> Iterator[Play]:
    play = plays.Play()
    try:
        yield play
    finally:
        play.end()


def write_and_play(seed: int, count: int) -> None:
    """Makes up `count` steps and takes them. Raises Failed."""
    steps: list[Step] = []
    with playing() as play:
        author = Author(play, random.Random(seed))
        try:
            for i in range(count):
                step = author.step()
                steps.append(step)
                with contextlib.suppress(Skip):
                    play.take(step)
                if i % CHECK == CHECK - 1:
                    play.check()
            play.check()
        except AssertionError as error:
            raise Failed(steps, error) from None


def replay(steps: list[Step]) -> AssertionError | None:
    """Takes a program again, and looks at everything after each step."""
    with playing() as play:
        try:
            for step in steps:
                with contextlib.suppress(Skip):
                    play.take(step)
                play.check()
        except AssertionError as error:
            return error
    return None


def shorten(steps: list[Step], tries: int = 400) -> Failed | None:
    """The program without what it does not need to fail; None if it does not fail again."""
    error = replay(steps)
    if error is None:
        return None
    size = len(steps) // 2
    while size and tries:
        at = 0
        while at < len(steps) and tries:
            tries -= 1
            fewer = steps[:at] + steps[at + size :]
            found = replay(fewer)
            if found is None:
                at += size
            else:
                steps, error = fewer, found
        size //= 2
    return Failed(steps, error)


def run(seed: int, count: int) -> None:
    """One program; raises Failed, shortened, with the seed."""
    try:
        write_and_play(seed, count)
    except Failed as failed:
        short = shorten(failed.steps) or failed
        raise AssertionError(f"seed {seed}, {count} steps: {short}") from None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--programs", type=int, default=5)
    options = parser.parse_args()
    for seed in range(options.seed, options.seed + options.programs):
        run(seed, options.steps)
        print(f"seed {seed}: {options.steps} steps agree", flush=True)


if __name__ == "__main__":
    main()
