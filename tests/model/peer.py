"""Another task, and the channels to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kernel import End, Ring

if TYPE_CHECKING:
    from .port import Port


class Peer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.channels: list[Channel] = []  # oldest first
        self.tombs: list[tuple[int, list]] = []  # number of the move, ports
        self.asides: list[Port] = []  # of words that were set aside (aside.py)
        self.last: Channel | None = None  # what was published went there

    def __repr__(self) -> str:
        return f"peer {self.name}"

    def sees_cut(self, channel: Channel) -> bool:
        """On that channel, or on another one that the peer may know better."""
        return channel.sees_cut or any(other.sees_cut for other in self.channels)


class Channel:
    """One socket and a ring in each direction."""

    serial = 0

    def __init__(self, end: End, out: Ring, into: Ring) -> None:
        self.end = end
        self.out = out
        self.into = into
        self.peer: Peer = None  # type: ignore[assignment]
        self.cut = 0  # the word in `into`
        self.cut_known = 0  # of the word in `out`, as last heard
        self.published = self.read = 0
        self.unsettled = 0  # number of an entry that may have come after a cut
        self.unsettled_ids: set[int] = set()  # what it is for, and of what it brings rights home
        self.missed = False  # it came too late
        self.missed_by = 0  # the move that decided that
        self.puzzled = self.puzzled_at = 0
        self.bye = self.byes = 0  # the number of the BYE that was said last, and still holds
        self.frozen = self.ended = self.closed = False
        self.kept: dict[int, tuple[End, ...]] = {}  # ends whose entry has not been read
        self.token = 0
        self.stands: list = []  # what its end stood for and is not known here, yet
        self.slots = 0
        self.sent: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"{self.end}>{self.peer.name}"

    @property
    def unread(self) -> bool:
        return bool(self.stands or self.into.entries)

    @property
    def said_at(self) -> int:
        """When its riddle was; of an end that stands for something, no later than what followed."""
        stamps = self.into.stamps
        if not self.stands:
            return stamps[0]
        return min(stamps[0], self.puzzled_at) if stamps else self.puzzled_at

    @property
    def is_cut(self) -> bool:
        """By this task."""
        return self.cut % 2 == 1

    @property
    def sees_cut(self) -> bool:
        """By the peer, and not heard about yet."""
        return not self.closed and self.out.cut != self.cut_known

    def in_flight(self, slot: int) -> int:
        return 0 if self.closed else self.sent[slot] - self.out.returned.get(slot, 0)
