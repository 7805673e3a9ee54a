"""The exceptions of machool: what a Mach code means to a Python program.

Every failure of a Mach call is a `MachError`, which is an `OSError` with four more attributes:
`call` (the Mach call that failed), `code` (its number), `name` (the code's name) and `hint` (one
line that says what to do). Bad arguments are `ValueError`, `TypeError` or `BufferError`, raised
before anything is sent.
"""

from __future__ import annotations

import errno
from typing import Final

from machool import _machool

__all__ = [
    "BufferTooSmall",
    "InvalidMemory",
    "MachError",
    "MessageTooLarge",
    "NotPermitted",
    "PeerDied",
    "ServiceExists",
    "ServiceNotFound",
    "TimedOut",
]


class MachError(OSError):
    """A Mach call failed. `errno` is the nearest POSIX error."""

    call: str
    code: int
    name: str
    hint: str

    _errno = errno.EIO
    _hint = "see the code's name in the Mach documentation"

    def __init__(self, call: str, code: int, text: str = "") -> None:
        self.call = call
        self.code = code
        self.name = code_name(code)
        special = _machool.MACH_MSG_MASK if call.startswith("mach_msg") else 0
        self.hint = _HINTS.get(code & ~special, self._hint)
        super().__init__(self._errno, f"{call}: {text or self.name} ({self.name}); {self.hint}")

    def __reduce__(self) -> tuple[type[MachError], tuple[str, int]]:
        return type(self), (self.call, self.code)


class TimedOut(MachError, TimeoutError):
    """The time-out passed before the message could be sent or received."""

    _errno = errno.ETIMEDOUT
    _hint = "give a longer timeout, or None to wait for ever"


class ServiceNotFound(MachError, LookupError):
    """No service of that name is running."""

    _errno = errno.ENOENT
    _hint = "start the server first, and compare the names byte for byte"


class ServiceExists(MachError):
    """A service of that name is running already."""

    _errno = errno.EADDRINUSE
    _hint = "choose another name, or stop the server that has it"


class NotPermitted(MachError, PermissionError):
    """The service belongs to another user who does not let this one in."""

    _errno = errno.EPERM
    _hint = "run as the service's user, or have it list this uid in allow_uids"


class PeerDied(MachError, ConnectionError):
    """The other side is gone, or dropped the request without answering."""

    _errno = errno.EPIPE
    _hint = "look the service up again once it has been restarted"


class MessageTooLarge(MachError):
    """The message has too many parts or bytes for Mach."""

    _errno = errno.EMSGSIZE
    _hint = "send large data in ool=, which has no such limit"


class InvalidMemory(MachError):
    """Memory to be sent is not there, or cannot be read."""

    _errno = errno.EFAULT
    _hint = "the buffer's memory was unmapped or protected behind its back"


class BufferTooSmall(BufferError):
    """What was received is larger than the buffer that it was to be copied into.

    `message` is the whole message: nothing is lost. `needed` bytes would have been enough.
    """

    message: _machool.Message
    needed: int

    def __init__(self, message: _machool.Message, needed: int, size: int) -> None:
        self.message = message
        self.needed = needed
        super().__init__(f"{needed} bytes do not fit in a buffer of {size}")

    def __reduce__(self) -> tuple[type[BufferError], tuple[str]]:
        return BufferError, (str(self),)  # the message stays in its process


_MIG_SERVER_DIED: Final = -308  # a bootstrap request was dropped by the program that serves it

_CLASSES: Final[dict[int, type[MachError]]] = {
    _machool.MACH_SEND_TIMED_OUT: TimedOut,
    _machool.MACH_RCV_TIMED_OUT: TimedOut,
    _machool.MACH_SEND_INVALID_DEST: PeerDied,
    _MIG_SERVER_DIED: PeerDied,
    _machool.KERN_OPERATION_TIMED_OUT: TimedOut,
    _machool.MACH_SEND_TOO_LARGE: MessageTooLarge,
    _machool.MACH_RCV_TOO_LARGE: MessageTooLarge,
    _machool.MACH_SEND_INVALID_MEMORY: InvalidMemory,
    _machool.BOOTSTRAP_UNKNOWN_SERVICE: ServiceNotFound,
    _machool.BOOTSTRAP_SERVICE_ACTIVE: ServiceExists,
    _machool.BOOTSTRAP_NAME_IN_USE: ServiceExists,
    _machool.BOOTSTRAP_NOT_PRIVILEGED: NotPermitted,
}

_SHORTAGE = "memory or descriptors are short: look at RLIMIT_NOFILE, RLIMIT_AS and free memory"

_HINTS: Final[dict[int, str]] = {
    0: _SHORTAGE,  # the special bits alone: a kernel shortage
    _machool.MACH_SEND_NO_BUFFER: _SHORTAGE,
    _machool.MACH_RCV_BODY_ERROR: _SHORTAGE,
    _machool.BOOTSTRAP_NO_MEMORY: _SHORTAGE,
    _machool.KERN_RESOURCE_SHORTAGE: _SHORTAGE,
    _machool.KERN_NO_SPACE: _SHORTAGE,
    _machool.MACH_SEND_INVALID_RIGHT: "a Port in ports= is closed or of the wrong kind",
}

_BITS: Final[tuple[str, ...]] = (
    "MACH_MSG_IPC_SPACE",
    "MACH_MSG_VM_SPACE",
    "MACH_MSG_IPC_KERNEL",
    "MACH_MSG_VM_KERNEL",
)


def _is_code(name: str) -> bool:
    return name.startswith(("KERN_", "MACH_SEND_", "MACH_RCV_", "BOOTSTRAP_"))


_NAMES: Final[dict[int, str]] = {
    value: name
    for name, value in vars(_machool).items()
    if _is_code(name) and (value >= 0x10000000 or name.startswith(("KERN_", "BOOTSTRAP_")))
} | {_MIG_SERVER_DIED: "MIG_SERVER_DIED"}


def code_name(code: int) -> str:
    """Name of a code, with the special bits that are or-ed in spelled out."""
    bits = [name for name in _BITS if code & getattr(_machool, name)]
    plain = _NAMES.get(code)
    if plain is not None:
        return plain
    rest = code & ~_machool.MACH_MSG_MASK
    return " | ".join(([_NAMES.get(rest, f"{rest:#x}")] if rest else []) + bits) or f"{code:#x}"


def from_code(call: str, code: int, text: str = "") -> MachError:
    """The exception for a code of that call. Used by the extension module."""
    cls = _CLASSES.get(code, MachError)
    if call == "bootstrap_register" and cls is NotPermitted:
        cls = ServiceExists  # the name is another process's (S166)
    return cls(call, code, text)
