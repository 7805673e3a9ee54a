"""What a task is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .door import Standing
from .kernel import End
from .peer import Channel, Peer
from .port import Message, Port

if TYPE_CHECKING:
    from .world import World


class Name:
    """Rights of the program to one port."""

    __slots__ = ("request", "urefs")

    def __init__(self) -> None:
        self.urefs = 1
        self.request: Port | None = None  # dead-name, by this send-once right


class State:
    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.kernel = world.kernel
        self.name = name
        self.alive = True
        self.ports: dict[int, Port] = {}
        self.peers: dict[str, Peer] = {}
        self.channels: list[Channel] = []  # of all peers, oldest first
        self.standing: list[Standing] = []  # ends that came to the door
        self.names: dict[Port, Name] = {}  # send and send-once rights
        self.receives: set[Port] = set()  # receive rights under a name
        self.posts: list[Message] = []
        self.sending: list[Message] = []  # by the program, at this moment
        self.judged: list[Port] = []
        self.parting: list[tuple[Port, int]] = []  # carried until a whole pass after that one
        self.graves: set = set()  # ids of ports that died here, rings that were closed
        self.serial = 0  # of moves
        self.passes = self.idle_pass = self.depth = 0
        self.behind = self.moving = False
        self.torn: set[int] = set()  # moved, and not everybody has been told

    def __repr__(self) -> str:
        return self.name

    def rule(self, name: str) -> bool:
        return name not in self.world.off

    def log(self, *words: object) -> None:
        if self.world.trace is not None:
            self.world.trace.append(" ".join(map(str, (self.name, *words))))

    def close(self, end: End) -> None:
        self.kernel.close(end)
