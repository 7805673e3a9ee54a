"""Faces of Mach's numbers for readers: an IntEnum compares equal to the number it shows."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from machool import _machool

__all__ = [
    "CopyOption",
    "Disposition",
    "MessageBits",
    "NotificationKind",
    "PortType",
    "Right",
    "names",
]


class CopyOption(IntEnum):
    """`copy` of an out-of-line descriptor: a wish of the sender, echoed to the receiver (S46)."""

    PHYSICAL_COPY = _machool.MACH_MSG_PHYSICAL_COPY
    VIRTUAL_COPY = _machool.MACH_MSG_VIRTUAL_COPY


class Disposition(IntEnum):
    """How a right travels (S103)."""

    MOVE_RECEIVE = _machool.MACH_MSG_TYPE_MOVE_RECEIVE
    MOVE_SEND = _machool.MACH_MSG_TYPE_MOVE_SEND
    MOVE_SEND_ONCE = _machool.MACH_MSG_TYPE_MOVE_SEND_ONCE
    COPY_SEND = _machool.MACH_MSG_TYPE_COPY_SEND
    MAKE_SEND = _machool.MACH_MSG_TYPE_MAKE_SEND
    MAKE_SEND_ONCE = _machool.MACH_MSG_TYPE_MAKE_SEND_ONCE


class Right(IntEnum):
    """Kinds of rights."""

    SEND = _machool.MACH_PORT_RIGHT_SEND
    RECEIVE = _machool.MACH_PORT_RIGHT_RECEIVE
    SEND_ONCE = _machool.MACH_PORT_RIGHT_SEND_ONCE
    PORT_SET = _machool.MACH_PORT_RIGHT_PORT_SET
    DEAD_NAME = _machool.MACH_PORT_RIGHT_DEAD_NAME


class NotificationKind(IntEnum):
    """Ids of the messages that the system itself sends (S128)."""

    PORT_DELETED = _machool.MACH_NOTIFY_PORT_DELETED
    SEND_POSSIBLE = _machool.MACH_NOTIFY_SEND_POSSIBLE
    PORT_DESTROYED = _machool.MACH_NOTIFY_PORT_DESTROYED
    NO_SENDERS = _machool.MACH_NOTIFY_NO_SENDERS
    SEND_ONCE = _machool.MACH_NOTIFY_SEND_ONCE
    DEAD_NAME = _machool.MACH_NOTIFY_DEAD_NAME


class PortType(IntFlag):
    """What a name denotes: a name may be a send and a receive right at once."""

    SEND = _machool.MACH_PORT_TYPE_SEND
    RECEIVE = _machool.MACH_PORT_TYPE_RECEIVE
    SEND_ONCE = _machool.MACH_PORT_TYPE_SEND_ONCE
    PORT_SET = _machool.MACH_PORT_TYPE_PORT_SET
    DEAD_NAME = _machool.MACH_PORT_TYPE_DEAD_NAME
    DNREQUEST = _machool.MACH_PORT_TYPE_DNREQUEST
    SPREQUEST = _machool.MACH_PORT_TYPE_SPREQUEST
    SPREQUEST_DELAYED = _machool.MACH_PORT_TYPE_SPREQUEST_DELAYED


class MessageBits(IntFlag):
    """Flags in msgh_bits."""

    COMPLEX = _machool.MACH_MSGH_BITS_COMPLEX


def names() -> dict[int, PortType]:
    """The Mach names in this task's space, and what each denotes. A picture of a moment: other
    threads go on."""
    return {name: PortType(bits) for name, bits in _machool.names().items()}
