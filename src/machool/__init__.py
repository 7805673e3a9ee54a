"""Mach messages with out-of-line memory between processes.

A received region is a memoryview over the received pages themselves: private, writable, alive as
long as the view. On macOS the kernel's mach_msg carries it, on Linux machool's own Mach layer.

>>> import machool
>>> page = machool.Region(machool.page_size)
>>> memoryview(page)[:5] = b"Hello"
"""

from __future__ import annotations

from machool._machool import (
    OOL,
    Client,
    Message,
    Move,
    Notification,
    OOLDescriptor,
    Port,
    PortSet,
    PortStatus,
    Region,
    Sender,
    page_size,
    set_limits,
    stats,
    trim,
)
from machool._machool import version as __version__
from machool.deaths import DeathWatch
from machool.enums import (
    CopyOption,
    Disposition,
    MessageBits,
    NotificationKind,
    PortType,
    Right,
    names,
)
from machool.errors import (
    BufferTooSmall,
    InvalidMemory,
    MachError,
    MessageTooLarge,
    NotPermitted,
    PeerDied,
    ServiceExists,
    ServiceNotFound,
    TimedOut,
)
from machool.service import Server

from machool import mach  # isort: skip

VIRTUAL_COPY = CopyOption.VIRTUAL_COPY
PHYSICAL_COPY = CopyOption.PHYSICAL_COPY

__all__ = [
    "OOL",
    "PHYSICAL_COPY",
    "VIRTUAL_COPY",
    "BufferTooSmall",
    "Client",
    "CopyOption",
    "DeathWatch",
    "Disposition",
    "InvalidMemory",
    "MachError",
    "Message",
    "MessageBits",
    "MessageTooLarge",
    "NotPermitted",
    "Move",
    "Notification",
    "NotificationKind",
    "OOLDescriptor",
    "PeerDied",
    "Port",
    "PortSet",
    "PortStatus",
    "PortType",
    "Region",
    "Right",
    "Sender",
    "Server",
    "ServiceExists",
    "ServiceNotFound",
    "TimedOut",
    "__version__",
    "mach",
    "names",
    "page_size",
    "set_limits",
    "stats",
    "trim",
]
