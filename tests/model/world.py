"""All tasks of one schedule, and what is true of them, whatever they believe."""

from __future__ import annotations

import random
from collections import defaultdict

from .kernel import Kernel, Ring
from .port import DEAD, OWN, RECEIVE, REMOTE, Message, Port
from .task import Task


class Violation(Exception):
    pass


RASH = 10_000_000  # seeds from here on: tasks move ports often, and are stopped amid connecting


class World:
    def __init__(self, seed: int, off: frozenset[str] = frozenset(), trace: bool = False) -> None:
        self.rash = seed >= RASH
        self.random = random.Random(seed)
        self.off = off
        self.trace: list[str] | None = [] if trace else None
        self.kernel = Kernel()
        self.ids = 0
        self.seq = 0
        self.limits: dict[int, int] = {}
        self.targets: dict[int, int] = {}  # of send-once rights
        self.homes: dict[str, int] = {}
        self.dead: set[int] = set()
        self.torn: set[int] = set()  # their owner was killed while it told of their move
        self.fates: dict[int, list[str]] = defaultdict(list)
        self.accepted: set[tuple] = set()
        self.excused: set[object] = set()  # messages that a death may have taken
        self.got: dict[int, list[tuple]] = defaultdict(list)
        self.counts: dict[str, int] = defaultdict(int)
        self.patient = False
        self.tasks: list[Task] = []
        for name in "ABCDE"[: self.random.choice((3, 3, 4, 5))]:
            self.add(name)

    def add(self, name: str) -> None:
        task = Task(self, name)
        self.tasks.append(task)
        self.kernel.listen(name)
        for _ in range(3):
            port = task.new_port()
            task.receives.add(port)
            self.homes.setdefault(name, port.id)
        task.home = next(port for port in task.receives if port.id == self.homes[name])

    # ---- what tasks ask

    def new_id(self, target: Port | None = None) -> int:
        self.ids += 1
        self.limits[self.ids] = self.random.choice((2, 3, 5))
        if target:
            self.targets[self.ids] = target.id
        return self.ids

    def dawdle(self) -> range:
        """Steps that a task takes for what others do not see, as for making a ring."""
        return range(self.random.choice((0, 2, 5, 20, 60)) if self.rash else 0)

    def impatient(self) -> bool:
        """A wait for a task that is stopped comes to its end."""
        return self.rash and self.random.random() < 0.05

    def others(self, task: Task) -> list[str]:
        return [name for name in self.homes if name != task.name]

    def may_carry(self, destination: Port, port: Port) -> bool:
        """No circles: a receive right goes only to a port with a smaller id."""
        to = self.targets.get(destination.id, destination.id)
        return port.id not in self.homes.values() and port.id > to

    def label(self, task: Task, port: Port) -> tuple:
        self.seq += 1
        return (task.name, port.id, self.seq)

    # ---- what happens

    def fail(self, *words: object) -> None:
        raise Violation(" ".join(map(str, words)))

    def alive(self, id: int) -> bool:
        if id in self.targets:
            return not self.fates[id] and self.alive(self.targets[id])
        return id not in self.dead

    def fate(self, id: int, what: str, task: Task) -> None:
        self.counts[f"send-once: {what}"] += 1
        self.fates[id].append(what)
        if len(self.fates[id]) > 1:
            self.fail("send-once right", id, "came to several ends:", self.fates[id])
        if what == "notification":
            self.expect_none(task, id, "send-once notification")

    def no_senders(self, task: Task, port: Port) -> None:
        """Not of homes: a look-up, which makes a right from nothing, may come at any instant."""
        self.counts["no senders"] += 1
        if port.id not in self.homes.values():
            self.expect_none(task, port.id, "no senders")

    def expect_none(self, task: Task, id: int, what: str) -> None:
        where = self.holder(id)
        if where:
            self.fail(what, "of", id, "at", task, "but there is one", where)

    def port_died(self, id: int) -> None:
        self.dead.add(id)

    def seems_dead(self, task: Task, port: Port) -> None:
        self.seems_dead_id(task, port.id)

    def seems_dead_id(self, task: Task, id: int) -> None:
        if self.alive(id) and id not in self.torn:
            self.fail("live", id, "is dead for", task)
        if id in self.torn:
            for other in self.tasks:
                for message in other.sending + other.posts:
                    self.excused.add(message.label)

    def dead_name(self, task: Task, port: Port) -> None:
        self.counts["dead name"] += 1

    def sent(self, task: Task, message: Message) -> None:
        self.counts["sent"] += 1
        self.accepted.add(message.label)

    def received(self, task: Task, port: Port, message: Message) -> None:
        task.log("RECEIVES", message, "from", port)
        if message.label is None:
            self.counts["news"] += 1
            return
        sender, id, seq = message.label
        if self.targets.get(id, id) != port.id:
            self.fail(message, "for", id, "comes out of", port)
        for other in self.got[port.id]:
            if other[0] == sender and other[2] >= seq:
                self.fail(message, "comes after", other, "out of", port)
        self.got[port.id].append(message.label)
        self.counts["received"] += 1

    def kill(self, task: Task) -> None:
        task.log("IS KILLED")
        self.counts["killed"] += 1
        task.alive = False
        self.torn |= task.torn
        for port in task.ports.values():
            if port.place is OWN and port.id not in task.torn:
                self.lose(port.id)
                for message in port.queue:
                    self.excused.add(message.label)
        for message in task.sending + task.posts:
            self.excused.add(message.label)
        for ring in rings_to(task):
            for kind, data in ring.entries:
                self.unread(kind, data)
        self.kernel.kill(task.name, task)

    def unread(self, kind: str, data: object) -> None:
        """An entry that nobody will read."""
        if kind == "message":
            self.excused.add(data.label)
        elif kind == "move":
            for id, _ in data.ports:
                self.lose(id)
            for _, _, letter in data.packets:
                self.excused.add(letter.label)

    def lose(self, id: int) -> None:
        if id in self.targets:
            if not self.fates[id]:
                self.fates[id].append("its owner died")
        else:
            self.dead.add(id)

    # ---- where a right is

    def holder(self, id: int) -> str | None:
        for task in self.tasks:
            if task.alive:
                where = held_in(task, id)
                if where:
                    return f"{where} of {task}"
        return None


def doomed(task: Task, port: Port) -> bool:
    """Its owner was killed while it told of the move: who was not told will find it dead."""
    killed = port.place == REMOTE and port.peer.name not in task.kernel.doors
    return killed and port.id in task.world.torn


def mentions(task: Task, message: Message, id: int) -> bool:
    rights = [r for r in message.rights if r.type is not RECEIVE]
    if message.destination:
        rights.append(message.destination)
    ports = [right.port for right in rights if right.port and right.port.id == id]
    return any(port.place != DEAD and not doomed(task, port) for port in ports)


def letter_mentions(letter: object, id: int) -> bool:
    if letter.destination == id:
        return True
    return any(right[2] == id and right[0] not in ("dead", "receive") for right in letter.rights)


def held_in(task: Task, id: int) -> str | None:
    if any(port.id == id and not doomed(task, port) for port in task.names):
        return "in a name"
    if any(mentions(task, message, id) for message in task.sending + task.posts):
        return "in a message that is sent"
    for name in task.names.values():
        if name.request and name.request.id == id:
            return "in a request"
    for port in task.ports.values():
        if port.place is not OWN or port.id in task.torn:
            continue
        if port.no_senders and port.no_senders.id == id:
            return "in a request"
        if any(mentions(task, message, id) for message in port.queue):
            return f"in the queue of {port}"
    tombs = {channel.into: channel.peer.tombs for channel in task.channels}
    for ring in rings_to(task):
        if unread_in(ring, tombs.get(ring, []), id):
            return "in a ring"
    return None


def unread_in(ring: Ring, tombs: list, id: int) -> bool:
    """What is said of a port with a tomb will be said again."""
    tombed = {port.id for _, ports in tombs for port in ports}
    for kind, data in ring.entries:
        if kind == "message" and data.destination not in tombed and letter_mentions(data, id):
            return True
        if kind == "move" and any(letter_mentions(packet[2], id) for packet in data.packets):
            return True
    return False


def rings_to(task: Task) -> list[Ring]:
    """Also of those who have said HELLO and were not heard yet."""
    rings = [channel.into for channel in task.channels]
    ends = [standing.end for standing in task.standing] + list(task.kernel.doors[task.name])
    for end in ends:
        rings += [data[2] for kind, data, _ in end.inbox if kind == "hello"]
    return rings
