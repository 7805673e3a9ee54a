"""What the kernel does for tasks: sockets, doors, and memory that two tasks share.

A socket end has an inbox that owns the ends in it; what is closed closes these too. A ring outlives
its writer. All else about a task is gone with it.
"""

from __future__ import annotations

from collections import deque


class End:
    """One end of a connected socket."""

    __slots__ = ("closed", "holder", "inbox", "name", "other")

    def __init__(self, name: int) -> None:
        self.name = name
        self.other: End = self
        self.inbox: deque = deque()
        self.closed = False
        self.holder: object = None  # the task whose descriptor it is; None: under way

    def __repr__(self) -> str:
        return f"end{self.name}"

    @property
    def over(self) -> bool:
        """The other end has been closed, and all it said has been read."""
        return self.other.closed and not self.inbox


class Ring:
    """Entries in one direction; `cut` is the reader's word, `returned` its credits."""

    __slots__ = ("cut", "entries", "returned", "stamps")

    def __init__(self) -> None:
        self.entries: deque = deque()
        self.stamps: deque[int] = deque()  # when each was published
        self.cut = 0
        self.returned: dict[int, int] = {}


class Kernel:
    def __init__(self) -> None:
        self.ends: list[End] = []
        self.doors: dict[str, deque[End]] = {}
        self.clock = 0

    def put(self, ring: Ring, kind: str, data: object) -> None:
        self.clock += 1
        ring.entries.append((kind, data))
        ring.stamps.append(self.clock)

    def take(self, ring: Ring) -> None:
        ring.entries.popleft()
        ring.stamps.popleft()

    def pair(self) -> tuple[End, End]:
        a, b = End(len(self.ends)), End(len(self.ends) + 1)
        a.other, b.other = b, a
        self.ends += (a, b)
        return a, b

    def listen(self, name: str) -> None:
        self.doors[name] = deque()

    def connect(self, name: str, task: object) -> End | None:
        """An end connected to that task's door; None: it is dead."""
        door = self.doors.get(name)
        if door is None:
            return None
        near, far = self.pair()
        near.holder = task
        far.holder = name  # in the backlog
        door.append(far)
        return near

    def accept(self, name: str, task: object) -> End | None:
        door = self.doors[name]
        if not door:
            return None
        end = door.popleft()
        end.holder = task
        return end

    def close(self, end: End) -> None:
        if end.closed:
            return
        end.closed = True
        inbox, end.inbox = end.inbox, deque()
        for _, _, ends in inbox:
            for inner in ends:
                self.close(inner)

    def send(self, end: End, kind: str, data: object = None, ends: tuple[End, ...] = ()) -> bool:
        """The ends go along. False: nobody is there."""
        for inner in ends:
            inner.holder = None
        if end.closed or end.other.closed:
            for inner in ends:
                self.close(inner)
            return False
        end.other.inbox.append((kind, data, ends))
        return True

    def receive(self, end: End, task: object) -> tuple:
        kind, data, ends = end.inbox.popleft()
        for inner in ends:
            inner.holder = task
        return kind, data, ends

    def kill(self, name: str, task: object) -> None:
        """Everything of that task closes."""
        for end in self.doors.pop(name, ()):
            self.close(end)
        for end in self.ends:
            if end.holder is task:
                self.close(end)
