"""Runs schedules: python -m tests.model --seeds 1000 --from 0 [--off RULE] [--trace SEED]."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from .rules import RULES
from .schedule import Schedule


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many schedules")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--off", action="append", default=[], choices=sorted(RULES))
    parser.add_argument("--trace", type=int, metavar="SEED", help="one schedule, step by step")
    parser.add_argument("--stop", action="store_true", help="at the first violation")
    options = parser.parse_args()
    off = frozenset(options.off)
    if options.trace is not None:
        schedule = Schedule(options.trace, off, trace=True)
        verdict = schedule.run()
        print("\n".join(schedule.world.trace or ()))
        print(verdict or "nothing is wrong")
        return verdict is not None
    counts: Counter[str] = Counter()
    for name in options.off:
        print("without:", RULES[name].says)
    wrong = 0
    for seed in range(options.first, options.first + options.seeds):
        schedule = Schedule(seed, off)
        verdict = schedule.run()
        counts.update(schedule.world.counts)
        if verdict:
            wrong += 1
            print(f"seed {seed}: {verdict}")
            if options.stop:
                break
    print(f"{options.seeds} schedules, {wrong} with a violation;", dict(sorted(counts.items())))
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
