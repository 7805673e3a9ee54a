"""Makes up steps that could be taken next."""

import random

from rights import model as m
from rights.play import NAMES, TASKS, Play, Skip, Step


class Author:
    """Makes up the next step."""

    def __init__(self, play: Play, rng: random.Random) -> None:
        self.play, self.rng, self.number = play, rng, 1000

    def step(self) -> Step:
        while True:
            self.number += 1
            task = self.rng.randrange(TASKS)
            space = self.play.model.spaces[task]
            keys = [key for key in space if not key.startswith("home")]
            kind = self.rng.choices(
                ("allocate", "insert", "refs", "extract", "request", "send", "receive", "member"),
                (2 if len(keys) < NAMES else 0, 2, 3 + len(keys) // 6, 1, 2, 8, 8, 1),
            )[0]
            step = getattr(self, kind)(task, space, keys)
            if step:
                return step

    def allocate(self, task, space, keys):
        right = self.rng.choice((1, 1, 1, 1, 3, 4))
        return ("allocate", task, f"{'pxsd'[right - 1]}{self.number}", right)

    def insert(self, task, space, keys):
        if keys:
            key = self.rng.choice(keys)
            if space[key].kind == "port":
                return ("insert", task, key, self.rng.choice((m.MAKE_SEND, m.COPY_SEND)))
        return None

    def refs(self, task, space, keys):
        if not keys:
            return None
        key = self.rng.choice(keys)
        call = self.rng.choice(("mod_refs", "mod_refs", "deallocate", "destroy"))
        if call != "mod_refs":
            return (call, task, key)
        return (call, task, key, self.rng.randrange(5), self.rng.choice((-2, -1, -1, 0, 1, 2)))

    def extract(self, task, space, keys):
        found = [key for key in keys if space[key].receive]
        return ("extract", task, self.rng.choice(found), f"o{self.number}") if found else None

    def request(self, task, space, keys):
        kind = self.rng.choice((m.DEAD_NAME, m.DEAD_NAME, m.NO_SENDERS, m.NO_SENDERS, m.DESTROYED))
        if kind == m.DEAD_NAME:
            found = [k for k in keys if space[k].kind in ("port", "once") and not space[k].receive]
        else:
            found = [k for k in keys if space[k].receive]
        targets = [k for k in space if space[k].receive]
        if not found:
            return None
        notify = self.rng.choice([*targets, None])
        key = self.rng.choice(found)
        if notify == key:
            return None
        sync = self.rng.choice((0, 1, 2)) if kind == m.NO_SENDERS else 0
        return ("request", task, key, kind, sync, notify, f"o{self.number}")

    def any_right(self, task, space, keys):
        key = self.rng.choice(keys)
        hows = [how for how in range(16, 22) if self.play.model.can(task, key, how)]
        if key.startswith("home"):
            hows = [how for how in hows if how in (m.COPY_SEND, m.MAKE_SEND, m.MAKE_SEND_ONCE)]
            if space[key].receive:
                hows = [m.MAKE_SEND_ONCE]
        return (key, self.rng.choice(hows)) if hows else None

    def send(self, task, space, keys):
        target = self.any_right(task, space, list(space))
        if not target or target[1] == m.MOVE_RECEIVE:
            return None
        reply = self.any_right(task, space, list(space)) if self.rng.random() < 0.4 else None
        if reply and reply[1] == m.MOVE_RECEIVE:
            return None
        rights = []
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, 3))):
            right = self.any_right(task, space, list(space))
            if right:
                rights.append(right)
        step = ("send", task, *target, *(reply or (None, 0)), tuple(rights), self.number)
        try:
            self.play.check_send(task, [target, *([reply] if reply else []), *rights])
        except Skip:
            return None
        return step

    def receive(self, task, space, keys):
        found = [key for key in space if space[key].receive or space[key].kind == "set"]
        return ("receive", task, self.rng.choice(found)) if found else None

    def member(self, task, space, keys):
        ports = [key for key in keys if space[key].receive]
        sets = [key for key in keys if space[key].kind == "set"]
        if not ports or not sets:
            return None
        call = self.rng.choice(("member", "member", "leave_set"))
        return (call, task, self.rng.choice(ports), self.rng.choice(sets))
