"""What every transport that is compared must be able to do.

A peer is two classes: a ``Producer`` in the process that measures, and a ``Consumer`` in a process
of its own. ``Producer.far()`` is what the other process needs to make its half; ``prepare`` on both
sides comes before a turn with another size, and is not timed.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from machool.bench import usage

NAMED_ROOM = 4
"""What must be free in /dev/shm, in times of what is under way: several peers lie there at once."""

Look: TypeAlias = Callable[[Any], int]


class Consumer:
    """The half that receives, reads and acknowledges."""

    def prepare(self, size: int, slots: int, details: Any) -> None:
        """Get ready for messages of that size, of which ``slots`` may be under way at once."""

    def take(self, look: Look) -> None:
        """Wait for one message, look at it, acknowledge it with what was seen."""
        raise NotImplementedError

    def close(self) -> None:
        """The end."""


class Producer:
    """The half that fills and sends."""

    name: ClassVar[str]
    package: ClassVar[str | None] = None
    """What must be installed."""
    note: ClassVar[str] = ""
    """What a reader of the table should know."""
    spins: ClassVar[bool] = False
    """Whether the other side burns a CPU while it waits."""
    ways: ClassVar[tuple[str, ...]] = ("copy",)
    """``copy``: an ordinary array is filled and sent. ``built``: the transport's own memory is
    filled and sent. ``again``: a region that the sender keeps is filled again and sent again."""
    borrows: ClassVar[bool] = False
    """Whether ``send`` may still read the array after it has returned."""
    most: ClassVar[int] = 1 << 40
    """The largest size it can be asked for."""
    named: ClassVar[bool] = False
    """Whether its memory lies in /dev/shm, small in many containers; past its end is SIGBUS."""
    consumer: ClassVar[type[Consumer]]

    @classmethod
    def able(cls, size: int, slots: int = 1) -> bool:
        """Whether it can carry messages of that size, so many of them under way."""
        if cls.named and usage.free_in_shm() < NAMED_ROOM * size * slots:
            return False
        return size * slots <= cls.most

    def far(self) -> tuple[Any, ...]:
        """The arguments of the consumer."""
        raise NotImplementedError

    def meet(self) -> None:
        """The consumer exists now."""

    def prepare(self, size: int, slots: int, fill: Callable[[Any, int], None]) -> Any:
        """Get ready for messages of that size; what the consumer's ``prepare`` is to be told."""

    def send(self, source: Any) -> None:
        """Hand over the bytes of an ordinary buffer."""
        raise NotImplementedError

    def build(self, value: int) -> None:
        """Fill the transport's own memory and hand it over."""
        raise NotImplementedError

    def build_again(self, value: int) -> None:
        """Fill memory that was sent before and stays here, and send it again."""
        raise NotImplementedError

    def acknowledged(self) -> int:
        """Wait for one acknowledgement: what the consumer saw."""
        raise NotImplementedError

    def exchange(self, source: Any) -> int:
        """``send`` and ``acknowledged`` in one."""
        self.send(source)
        return self.acknowledged()

    def exchange_built(self, value: int) -> int:
        """``build`` and ``acknowledged`` in one."""
        self.build(value)
        return self.acknowledged()

    def exchange_again(self, value: int) -> int:
        """``build_again`` and ``acknowledged`` in one."""
        self.build_again(value)
        return self.acknowledged()

    def close(self) -> None:
        """The end; the consumer is gone already."""
