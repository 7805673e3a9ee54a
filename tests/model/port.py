"""A port, a send-once right or another task's, as one task knows it; and messages with rights."""

from __future__ import annotations

from collections import deque

OWN, REMOTE, DEAD = "own", "remote", "dead"
PORT, ONCE = "port", "once"
SEND, SEND_ONCE, RECEIVE = "send", "send-once", "receive"


class Port:
    __slots__ = (
        "arriving",
        "brought",
        "carrier",
        "grants",
        "hops",
        "id",
        "judging",
        "kind",
        "last_drop",
        "lent",
        "limit",
        "local",
        "moved",
        "moving",
        "no_senders",
        "nonces",
        "peer",
        "pending",
        "place",
        "queue",
        "slot",
        "slot_channel",
        "target",
        "tombed",
        "tombs",
        "transit",
    )

    def __init__(self, id: int, kind: str, place: str) -> None:
        self.id = id
        self.kind = kind
        self.place = place
        self.local = 0  # rights of this task
        self.grants: dict = {}  # by peer: OWN: lent; REMOTE: owed
        self.tombed: set = set()  # OWN: peers whose right is only for late comers
        self.tombs = 0  # REMOTE: how many of `local` are such
        self.pending = 0  # ends that stand for it
        self.last_drop = 0
        self.judging = False
        self.target: Port | None = None
        self.nonces: list[Port] = []
        self.queue: deque = deque()
        self.limit = 5
        self.no_senders: Port | None = None
        self.transit = self.moving = self.arriving = self.moved = False
        self.lent = False  # another task has had it
        self.brought = False  # REMOTE: its move to this task is in a ring of its peer's
        self.carrier: Port | None = None
        self.peer = None
        self.slot_channel = None
        self.slot = 0
        self.hops = 0

    def __repr__(self) -> str:
        return f"{self.kind}{self.id}({self.place})"

    @property
    def unwanted(self) -> bool:
        """Nobody is known to hold a right to it."""
        return not self.local and not self.pending and self.tombed.issuperset(self.grants)

    def add(self, peer: object, by: int) -> None:
        count = self.grants.get(peer, 0) + by
        if by > 0 or not count:
            self.tombed.discard(peer)
        if count:
            self.grants[peer] = count
        else:
            self.grants.pop(peer, None)


class Right:
    """A right in a message; `port` is None for a dead one."""

    __slots__ = ("lent", "port", "type")

    def __init__(self, port: Port | None, type: str) -> None:
        self.port = port
        self.lent = False  # counted for the task that it is sent to
        self.type = type

    def __repr__(self) -> str:
        return f"{self.type}:{self.port and self.port.id}"


class Message:
    """`label` is the world's name for it; `news` what a notification is about."""

    __slots__ = ("credit", "destination", "label", "news", "rights")

    def __init__(self, label: object, rights: list[Right], news: object = None) -> None:
        self.label = label
        self.rights = rights
        self.news = news
        self.destination: Right | None = None
        self.credit: tuple | None = None

    def __repr__(self) -> str:
        return f"<{self.label} {self.news or ''} {self.rights}>"
