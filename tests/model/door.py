"""Ends that have come through a task's door and are not channels yet."""

from __future__ import annotations

from .kernel import End
from .port import Port


class Stand:
    """One right that an end stands for."""

    __slots__ = ("id", "moved", "port")

    def __init__(self, id: int, port: Port | None) -> None:
        self.id = id
        self.port = port  # counted as pending; None: not here, yet
        self.moved = False  # away since: carried instead

    @property
    def moves(self) -> bool:
        return self.port is not None and self.port.moving and not self.moved


class Standing:
    __slots__ = ("end", "held", "onward", "stands")

    def __init__(self, end: End) -> None:
        self.end = end
        self.stands: list[Stand] = []
        self.held = False  # was told HOLD
        self.onward: End | None = None  # connected to the next owner

    def __repr__(self) -> str:
        return f"{self.end} for {[stand.id for stand in self.stands]}"
