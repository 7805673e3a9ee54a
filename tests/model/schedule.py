"""One schedule: who does the next step is a matter of chance, and of nothing else."""

from __future__ import annotations

from .check import check, check_nothing
from .world import Violation, World

STEPS = 900
QUIET = 60_000  # steps until all that has begun must have ended


class Schedule:
    def __init__(self, seed: int, off: frozenset[str] = frozenset(), trace: bool = False) -> None:
        self.world = World(seed, off, trace)
        self.lives = {task: task.live() for task in self.world.tasks}
        random = self.world.random
        self.kills = random.choice((0, 0, 1, 2)) if random.random() < 0.7 else 0
        self.steps = random.randrange(200, 2 * STEPS if self.world.rash else STEPS)

    def run(self) -> str | None:
        """What went wrong."""
        try:
            self.chaos()
            self.world.patient = True
            self.settle()
            check(self.world)
            self.let_all_go()
            self.settle()
            check(self.world)
            check_nothing(self.world)
        except Violation as violation:
            return str(violation)
        return None

    def step(self, task: object) -> None:
        next(self.lives[task])

    def chaos(self) -> None:
        """Tasks run for a while each, are stopped, and killed."""
        random = self.world.random
        deaths = sorted(random.randrange(self.steps) for _ in range(self.kills))
        stopped: dict = {}
        number = 0
        while number < self.steps:
            running = [t for t in self.world.tasks if t.alive and stopped.get(t, 0) <= number]
            if not running:
                number += 1
                continue
            task = random.choice(running)
            for _ in range(random.choice((1, 1, 1, 2, 4, 12))):
                number += 1
                self.step(task)
                if deaths and number >= deaths[0]:
                    deaths.pop(0)
                    self.world.kill(random.choice(running))
                    break
            if random.random() < (0.05 if self.world.rash else 0.01):
                stopped[task] = number + random.randrange(20, 200)

    def settle(self) -> None:
        """Until nobody has anything to do: every wait has to end."""
        random = self.world.random
        alive = [task for task in self.world.tasks if task.alive]
        idle = dict.fromkeys(alive, 0)  # rounds since anybody had anything to do
        for _ in range(QUIET):
            task = random.choice(alive)
            task.busy = None
            self.step(task)
            if task.busy is None:
                continue
            if task.busy:
                idle = dict.fromkeys(alive, 0)
            idle[task] += 1
            if min(idle.values()) > 15:  # each looks at its door in half of its rounds
                return
        waiting = [task for task in alive if task.sending or task.posts]
        self.world.fail("no end:", [(task, task.sending, task.posts) for task in waiting])

    def let_all_go(self) -> None:
        """The programs drop all their send rights."""
        for task in self.world.tasks:
            if not task.alive:
                continue
            for port in list(task.names):
                while port in task.names:
                    task.drop_name(port)
