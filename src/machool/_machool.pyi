"""Stubs of the extension module. Its public names are those of `machool`."""

import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, Self, SupportsFloat, TypeAlias, final

from _typeshed import structseq
from typing_extensions import disjoint_base

from machool.deaths import DeathWatch
from machool.enums import NotificationKind

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:
    from typing_extensions import Buffer

_Timeout: TypeAlias = SupportsFloat | None
_Parts: TypeAlias = Buffer | OOL | Sequence[Buffer | OOL]
_Ports: TypeAlias = Port | Move | Sequence[Port | Move | None]

page_size: Final[int]
version: Final[str]

def stats() -> dict[str, int]:
    """Counters of this process: messages, bytes by the way they travelled, regions, channels,
    names; memory that came back and lies idle, that is with other tasks (lent), or is theirs
    (borrowed), in bytes; mappings parked for it; the limits. What the system does not tell is 0."""

def trim() -> None:
    """Gives memory that came back from other tasks, and lies idle, back to the system."""

def set_limits(*, idle_bytes: int | None = None, lent_bytes: int | None = None) -> None:
    """How many bytes may lie idle in this process until they travel again, and how many may be
    with other tasks at a time; None leaves a limit as it is. Above the second, and when it is 0,
    memory travels in sealed objects of its own, which takes longer. stats() has both."""

def names() -> dict[int, int]:
    """The names in this task's space: a dict of name to MACH_PORT_TYPE_ bits."""

@final
class Region(Buffer):
    """Page-aligned memory of exactly `size` bytes that can be sent without a copy.

    Zero-filled and writable. Supports the buffer protocol (bytes, C-contiguous): memoryview(),
    numpy.frombuffer() and the like look into the memory itself and keep it alive. The memory is
    given back when the object dies, never under a view. The out-of-line parts of a received
    message are views of the same type. `zeroed=False` promises that every byte will be written
    before it is read. Raises MemoryError. Safe to use from many threads.
    """

    def __new__(cls, size: int, *, zeroed: bool = True) -> Self: ...
    @property
    def address(self) -> int:
        """Address of the first byte in this process; 0 if empty."""
    @property
    def size(self) -> int:
        """Exact number of bytes."""
    @property
    def moved(self) -> bool:
        """Whether the memory went to another task; no new view can be had then."""
    @property
    def closed(self) -> bool:
        """Whether close() was called; no new view can be had then."""
    @property
    def readonly(self) -> bool:
        """Whether its views refuse writing."""
    def close(self) -> None:
        """Ends the use of the region. Views that exist stay valid; the memory is given back when
        the last of them dies. Never raises; may be called again."""
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

@final
class OOL:
    """One out-of-line part of a message to be sent.

    The receiver gets a private snapshot of the buffer's bytes as they are when it is sent. With
    `deallocate=True` a Region moves: sending raises BufferError while views of it exist, and
    afterwards its `moved` is true. At most 4 GiB - 1 bytes. Raises TypeError for what is no
    buffer, ValueError for another `copy` or a move of what is no Region.
    """

    def __new__(cls, buffer: Buffer, *, copy: int = ..., deallocate: bool = False) -> Self: ...
    @property
    def buffer(self) -> Buffer:
        """What will be sent."""
    @property
    def copy(self) -> int:
        """VIRTUAL_COPY or PHYSICAL_COPY."""
    @property
    def deallocate(self) -> bool:
        """Whether the memory moves away from this task."""

@final
class OOLDescriptor(structseq[int], tuple[int, int, int, bool]):
    """An out-of-line descriptor as it arrived."""

    __match_args__: Final = ("address", "size", "copy", "deallocate")

    @property
    def transport(self) -> str:
        """By which way it came: 'inline', 'copied' or 'shared' (an object of its own, sealed),
        'changes' (shared, with the pages written since), 'lent' (copied into memory that goes back
        to the sender) or 'moved' (the sender's own pages). '' where the system does not tell. No
        item of the tuple."""
    @property
    def address(self) -> int:
        """Where the memory was mapped."""
    @property
    def size(self) -> int:
        """Exact bytes."""
    @property
    def copy(self) -> int:
        """The sender's copy option, unchanged: not a report of what happened (S46)."""
    @property
    def deallocate(self) -> bool:
        """True for a virtual copy (S47)."""

@final
class Sender(structseq[int], tuple[int, int, int]):
    """Who sent a message, as the kernel vouches."""

    __match_args__: Final = ("pid", "uid", "gid")

    @property
    def pid(self) -> int:
        """Process."""
    @property
    def uid(self) -> int:
        """Effective user."""
    @property
    def gid(self) -> int:
        """Effective group."""

@disjoint_base
class Message:
    """A received message. Dropping it unanswered tells the asker at once (PeerDied)."""

    @property
    def id(self) -> int:
        """The sender's number for it, 32 bits."""
    @property
    def body(self) -> bytes:
        """The inline part. From a Python sender its exact bytes; from a C sender the message's
        bytes behind header and descriptors, a multiple of 4."""
    @property
    def ool(self) -> tuple[memoryview, ...]:
        """Views over the received pages: private, exact size, writable unless asked otherwise.
        Each keeps its memory alive after everything else is gone."""
    @property
    def descriptors(self) -> tuple[OOLDescriptor, ...]:
        """One for each of `ool`."""
    @property
    def ports(self) -> tuple[Port | None, ...]:
        """The rights it brought; None for a null right."""
    @property
    def sender(self) -> Sender:
        """Who sent it."""
    @property
    def seqno(self) -> int:
        """Its place among the messages received from this port, from 0."""
    @property
    def context(self) -> int:
        """The context of the port it was received from, as the trailer has it."""
    @property
    def port(self) -> Port | Server | None:
        """The Port it was received from, or the member of a PortSet; None from a Server or
        Client."""
    @property
    def has_reply_port(self) -> bool:
        """Whether reply() has somewhere to go."""
    def copy_into(self, buffer: Buffer, index: int = 0) -> int:
        """Copies an out-of-line part into `buffer`, from its start, and returns the number of
        bytes. A message without parts has its body as part 0. Raises BufferTooSmall, IndexError,
        and BufferError unless `buffer` is writable and contiguous."""
    def reply(
        self,
        body: Buffer = b"",
        *,
        ool: _Parts = (),
        ports: _Ports = (),
        id: int | None = None,
        timeout: _Timeout = None,
    ) -> None:
        """Answers the message. The id is the request's unless given.

        Raises ValueError if no reply is asked for or it has been sent, PeerDied if the asker is
        gone, TimedOut if it does not take the message in time (the reply can be tried again).
        """

@final
class Notification(Message):
    """A message of the system's own about a right.

    Nobody can forge one: what merely looks like it is a plain Message. DEAD_NAME brings the dead
    name in `ports`, PORT_DESTROYED the receive right.
    """

    @property
    def kind(self) -> NotificationKind:
        """What happened."""
    @property
    def name(self) -> int:
        """The Mach name that it is about (DEAD_NAME, PORT_DELETED, SEND_POSSIBLE), else 0."""
    @property
    def count(self) -> int:
        """NO_SENDERS: how many send rights had been made; else 0."""

@final
class PortStatus(structseq[int], tuple[int, int, int, int, int, bool, bool, bool, int]):
    """What a receive right tells of its port (S140)."""

    __match_args__: Final = (
        "seqno",
        "mscount",
        "qlimit",
        "msgcount",
        "sorights",
        "srights",
        "pdrequest",
        "nsrequest",
        "flags",
    )

    @property
    def seqno(self) -> int:
        """Number of the next message received."""
    @property
    def mscount(self) -> int:
        """Send rights made so far."""
    @property
    def qlimit(self) -> int:
        """Queue limit."""
    @property
    def msgcount(self) -> int:
        """Messages queued."""
    @property
    def sorights(self) -> int:
        """Send-once rights that exist."""
    @property
    def srights(self) -> bool:
        """Whether any send right exists."""
    @property
    def pdrequest(self) -> bool:
        """Whether a PORT_DESTROYED notification is asked for."""
    @property
    def nsrequest(self) -> bool:
        """Whether a NO_SENDERS notification is asked for."""
    @property
    def flags(self) -> int:
        """MACH_PORT_STATUS_FLAG_ bits."""

@final
class Port:
    """One right to a Mach port.

    Port() makes a new port and holds its receive right; rights in messages arrive as Port too. In
    `ports=` a send right is copied, a receive right makes a send right, a send-once right moves;
    Move(port) makes any right move. The right is given back when the object dies. Safe to use
    from many threads.
    """

    def __new__(cls, *, queue_limit: int | None = None) -> Self: ...
    @classmethod
    def allocate(cls, right: int = ..., /) -> Port:
        """A new right: a port's receive right (Right.RECEIVE), as Port() gives, or a dead name of
        its own (Right.DEAD_NAME). Raises ValueError for others."""
    @property
    def name(self) -> int:
        """The Mach name in this task; 0 once closed."""
    @property
    def right(self) -> str:
        """'receive', 'send', 'send-once' or 'dead-name'."""
    @property
    def dead(self) -> bool:
        """Whether the port behind the right has died."""
    @property
    def refs(self) -> int:
        """User references of this kind of right under the name; each Port has one."""
    @property
    def status(self) -> PortStatus:
        """What a receive right tells of its port. Raises ValueError for other rights."""
    @property
    def queue_limit(self) -> int:
        """Of a receive right: how many messages each sending task may have in its queue, 0 to
        1024, 5 unless set. Raises ValueError for other rights."""
    @queue_limit.setter
    def queue_limit(self, value: int, /) -> None: ...
    @property
    def context(self) -> int:
        """Of a receive right: a number of 64 bits that each message brings along. Raises
        ValueError for other rights."""
    @context.setter
    def context(self, value: int, /) -> None: ...
    def make_send(self) -> Port:
        """A Port with a send right, made of this receive right. Raises MachError if it is none."""
    def make_send_once(self) -> Port:
        """A Port with a send-once right, made of this receive right: one message can be sent by
        it, and a Notification comes here if it ends without one. Raises MachError if it is none."""
    def copy(self) -> Port:
        """A further Port for this send right or dead name. Raises MachError for other rights."""
    def send(
        self,
        body: Buffer = b"",
        *,
        ool: _Parts = (),
        ports: _Ports = (),
        id: int = 0,
        timeout: _Timeout = None,
        reply: Port | Move | None = None,
    ) -> None:
        """Sends one message; waits while the queue is full, with the GIL released. `reply` is
        where the receiver is to answer: a receive right gives it a send-once right, a send right
        is copied, a Move or a send-once right goes. Raises PeerDied, TimedOut, InvalidMemory."""
    def receive(self, timeout: _Timeout = None, *, readonly: bool = False) -> Message:
        """The next message. Raises TimedOut, and ValueError if this is no receive right."""
    def recv_into(self, buffer: Buffer, timeout: _Timeout = ...) -> tuple[int, Message]:
        """Receives the next message, as receive() does, and copies its first out-of-line part into
        `buffer`, or its body if it has no part. Returns the number of bytes and the Message, in
        whose `ool` that part is empty. Raises BufferError, before anything is received, unless
        `buffer` is writable and contiguous, and BufferTooSmall if it is shorter than the part: that
        exception's `message` is the message, whole."""
    def request_notification(
        self, kind: int, notify: Port | None, /, *, sync: int = 0
    ) -> Port | None:
        """Asks the system for a Notification of that NotificationKind, to be sent to `notify`: a
        Port whose receive right gives a send-once right, or a send-once right, which goes; None
        withdraws the request. Returns the request's earlier send-once right, or None. `sync`: for
        NO_SENDERS the make-send count before which it does not fire. Raises MachError."""
    def on_death(self, callback: Callable[[Port], object], /) -> DeathWatch:
        """Calls callback(port) once, in a thread of its own, when the port behind the right has
        died. Returns a DeathWatch, whose cancel() withdraws it."""
    def fileno(self) -> int:
        """A descriptor that polls readable while a message may be waiting."""
    def close(self) -> None:
        """Gives the right back. May be called again."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

@final
class Move:
    """In `ports=` or `reply=`: the right itself goes to the receiver.

    The Port is closed once the message has been sent; after a failed send it has its right again.
    A receive right takes its queue along, and whoever sends to it notices nothing.
    """

    def __new__(cls, port: Port) -> Self: ...
    @property
    def port(self) -> Port:
        """The Port whose right will go."""

@final
class PortSet:
    """Receive rights that are waited for at once. Iterate over it for the messages. Safe to use
    from many threads."""

    def __new__(cls, members: Iterable[Port | Server] = ()) -> Self: ...
    @property
    def name(self) -> int:
        """The Mach name in this task; 0 once closed."""
    @property
    def members(self) -> tuple[Port | Server, ...]:
        """The ports and servers that are in it."""
    def add(self, port: Port | Server, /) -> None:
        """Adds a Server or a Port with a receive right, and keeps it alive. It can be in several
        sets, and still be received from by itself."""
    def remove(self, port: Port | Server, /) -> None:
        """Takes it out. Raises ValueError if it is not in the set."""
    def receive(self, timeout: _Timeout = None, *, readonly: bool = False) -> Message:
        """The next message of any member, in turn among those that have some; its `port` is that
        member. Raises TimedOut, and ValueError when the set is closed."""
    def recv_into(self, buffer: Buffer, timeout: _Timeout = ...) -> tuple[int, Message]:
        """Receives the next message, as receive() does, and copies its first out-of-line part into
        `buffer`, or its body if it has no part. Returns the number of bytes and the Message, in
        whose `ool` that part is empty. Raises BufferError, before anything is received, unless
        `buffer` is writable and contiguous, and BufferTooSmall if it is shorter than the part: that
        exception's `message` is the message, whole."""
    def fileno(self) -> int:
        """A descriptor that polls readable while a member may have a message: then call
        receive(0) until TimedOut. It is the set's; do not read or close it."""
    def close(self) -> None:
        """Destroys the set; its members live on. May be called again."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Message: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

@disjoint_base
class Server:
    """A service that clients find by name. Iterate over it for its messages.

    `queue_limit` is how many messages each sending task may have in its queue (0 to 1024,
    default 5). Only the same user and root may look the name up, and the users in `allow_uids`.
    Raises ServiceExists. Safe to use from many threads.
    """

    def __new__(
        cls, name: str, *, queue_limit: int | None = None, allow_uids: Iterable[int] = ()
    ) -> Self: ...
    @property
    def name(self) -> str:
        """The name it is published under."""
    @property
    def port(self) -> Port:
        """A Port with a further send right to the service."""
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
    def receive(self, timeout: _Timeout = None, *, readonly: bool = False) -> Message:
        """The next Message. Blocks up to `timeout` seconds (None: for ever) with the GIL released;
        any number of threads may wait at once. `readonly` makes the views of its out-of-line
        parts read-only. Raises TimedOut, EOFError after shutdown(), ValueError when closed."""
    def recv_into(self, buffer: Buffer, timeout: _Timeout = ...) -> tuple[int, Message]:
        """Receives the next message, as receive() does, and copies its first out-of-line part into
        `buffer`, or its body if it has no part. Returns the number of bytes and the Message, in
        whose `ool` that part is empty. Raises BufferError, before anything is received, unless
        `buffer` is writable and contiguous, and BufferTooSmall if it is shorter than the part: that
        exception's `message` is the message, whole."""
    def shutdown(self) -> None:
        """Ends the service: every receive() returns with EOFError and iteration ends, in all
        threads. Messages not yet received stay in the queue until close(). May be called from any
        thread or signal handler, and again."""
    def fileno(self) -> int:
        """A descriptor for select, poll or asyncio that is readable while a message may be
        waiting: then call receive(0) until TimedOut. Do not read or close it."""
    def close(self) -> None:
        """Destroys the port and its name. Requests in its queue die, and who waits for an answer
        gets PeerDied. May be called again."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Message: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

@disjoint_base
class Client:
    """A way to the service of that name. `timeout` in seconds is the default for all its calls
    (None: for ever). Raises ServiceNotFound, NotPermitted. Safe to use from many threads."""

    def __new__(cls, name: str, *, timeout: _Timeout = None) -> Self: ...
    @property
    def name(self) -> str:
        """The service's name."""
    @property
    def port(self) -> Port:
        """A Port with a further send right to the service."""
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
    def send(
        self,
        body: Buffer = b"",
        *,
        ool: _Parts = (),
        ports: _Ports = (),
        id: int = 0,
        timeout: _Timeout = ...,
        reply: bool = False,
    ) -> None:
        """Sends one message; waits while the server's queue is full, with the GIL released. With
        reply=True the server can answer, and receive() gets the answer. Raises PeerDied, TimedOut,
        InvalidMemory; BufferError, ValueError or TypeError before anything is sent."""
    def request(
        self,
        body: Buffer = b"",
        *,
        ool: _Parts = (),
        ports: _Ports = (),
        id: int = 0,
        timeout: _Timeout = ...,
        readonly: bool = False,
        send_once: bool = True,
    ) -> Message:
        """Sends one message and returns the Message that answers it. `timeout` covers both. Raises
        PeerDied as soon as the server dies or drops the request, and what send() raises. Any
        number of threads may have requests under way. With send_once=False the server gets a
        plain send right, as C servers may expect that answer by COPY_SEND: then a dropped request
        is not noticed, and a dead server within a second."""
    def receive(self, timeout: _Timeout = ..., *, readonly: bool = False) -> Message:
        """The next answer to a message sent with reply=True. Raises TimedOut, PeerDied."""
    def recv_into(self, buffer: Buffer, timeout: _Timeout = ...) -> tuple[int, Message]:
        """Receives the next message, as receive() does, and copies its first out-of-line part into
        `buffer`, or its body if it has no part. Returns the number of bytes and the Message, in
        whose `ool` that part is empty. Raises BufferError, before anything is received, unless
        `buffer` is writable and contiguous, and BufferTooSmall if it is shorter than the part: that
        exception's `message` is the message, whole."""
    def fileno(self) -> int:
        """A descriptor for select, poll or asyncio that is readable while receive() may have an
        answer: then call receive(0) until TimedOut. Do not read or close it."""
    def close(self) -> None:
        """Gives the right back. What was received stays valid. May be called again."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

KERN_SUCCESS: Final[int]
KERN_INVALID_ADDRESS: Final[int]
KERN_PROTECTION_FAILURE: Final[int]
KERN_NO_SPACE: Final[int]
KERN_INVALID_ARGUMENT: Final[int]
KERN_FAILURE: Final[int]
KERN_RESOURCE_SHORTAGE: Final[int]
KERN_NOT_RECEIVER: Final[int]
KERN_NO_ACCESS: Final[int]
KERN_MEMORY_FAILURE: Final[int]
KERN_MEMORY_ERROR: Final[int]
KERN_ALREADY_IN_SET: Final[int]
KERN_NOT_IN_SET: Final[int]
KERN_NAME_EXISTS: Final[int]
KERN_ABORTED: Final[int]
KERN_INVALID_NAME: Final[int]
KERN_INVALID_TASK: Final[int]
KERN_INVALID_RIGHT: Final[int]
KERN_INVALID_VALUE: Final[int]
KERN_UREFS_OVERFLOW: Final[int]
KERN_INVALID_CAPABILITY: Final[int]
KERN_RIGHT_EXISTS: Final[int]
KERN_INVALID_HOST: Final[int]
KERN_MEMORY_PRESENT: Final[int]
KERN_MEMORY_DATA_MOVED: Final[int]
KERN_MEMORY_RESTART_COPY: Final[int]
KERN_INVALID_PROCESSOR_SET: Final[int]
KERN_POLICY_LIMIT: Final[int]
KERN_INVALID_POLICY: Final[int]
KERN_INVALID_OBJECT: Final[int]
KERN_ALREADY_WAITING: Final[int]
KERN_DEFAULT_SET: Final[int]
KERN_EXCEPTION_PROTECTED: Final[int]
KERN_INVALID_LEDGER: Final[int]
KERN_INVALID_MEMORY_CONTROL: Final[int]
KERN_INVALID_SECURITY: Final[int]
KERN_NOT_DEPRESSED: Final[int]
KERN_TERMINATED: Final[int]
KERN_LOCK_SET_DESTROYED: Final[int]
KERN_LOCK_UNSTABLE: Final[int]
KERN_LOCK_OWNED: Final[int]
KERN_LOCK_OWNED_SELF: Final[int]
KERN_SEMAPHORE_DESTROYED: Final[int]
KERN_RPC_SERVER_TERMINATED: Final[int]
KERN_RPC_TERMINATE_ORPHAN: Final[int]
KERN_RPC_CONTINUE_ORPHAN: Final[int]
KERN_NOT_SUPPORTED: Final[int]
KERN_NODE_DOWN: Final[int]
KERN_NOT_WAITING: Final[int]
KERN_OPERATION_TIMED_OUT: Final[int]
KERN_CODESIGN_ERROR: Final[int]
KERN_POLICY_STATIC: Final[int]
KERN_INSUFFICIENT_BUFFER_SIZE: Final[int]
KERN_DENIED: Final[int]
KERN_MISSING_KC: Final[int]
KERN_INVALID_KC: Final[int]
KERN_NOT_FOUND: Final[int]
KERN_INVALID_GUARD_OBJECT_SLOT: Final[int]
KERN_RETURN_MAX: Final[int]
MACH_MSGH_BITS_COMPLEX: Final[int]
MACH_MSG_TYPE_PORT_NONE: Final[int]
MACH_MSG_TYPE_PORT_NAME: Final[int]
MACH_MSG_TYPE_MOVE_RECEIVE: Final[int]
MACH_MSG_TYPE_MOVE_SEND: Final[int]
MACH_MSG_TYPE_MOVE_SEND_ONCE: Final[int]
MACH_MSG_TYPE_COPY_SEND: Final[int]
MACH_MSG_TYPE_MAKE_SEND: Final[int]
MACH_MSG_TYPE_MAKE_SEND_ONCE: Final[int]
MACH_MSG_TYPE_COPY_RECEIVE: Final[int]
MACH_MSG_TYPE_DISPOSE_RECEIVE: Final[int]
MACH_MSG_TYPE_DISPOSE_SEND: Final[int]
MACH_MSG_TYPE_DISPOSE_SEND_ONCE: Final[int]
MACH_MSG_TYPE_LAST: Final[int]
MACH_MSG_TYPE_POLYMORPHIC: Final[int]
MACH_MSG_TYPE_PORT_RECEIVE: Final[int]
MACH_MSG_TYPE_PORT_SEND: Final[int]
MACH_MSG_TYPE_PORT_SEND_ONCE: Final[int]
MACH_MSG_PHYSICAL_COPY: Final[int]
MACH_MSG_VIRTUAL_COPY: Final[int]
MACH_MSG_PORT_DESCRIPTOR: Final[int]
MACH_MSG_OOL_DESCRIPTOR: Final[int]
MACH_MSG_OOL_PORTS_DESCRIPTOR: Final[int]
MACH_MSG_OOL_VOLATILE_DESCRIPTOR: Final[int]
MACH_MSG_GUARDED_PORT_DESCRIPTOR: Final[int]
MACH_SEND_MSG: Final[int]
MACH_RCV_MSG: Final[int]
MACH_RCV_LARGE: Final[int]
MACH_RCV_LARGE_IDENTITY: Final[int]
MACH_SEND_TIMEOUT: Final[int]
MACH_SEND_OVERRIDE: Final[int]
MACH_SEND_INTERRUPT: Final[int]
MACH_SEND_NOTIFY: Final[int]
MACH_SEND_ALWAYS: Final[int]
MACH_SEND_FILTER_NONFATAL: Final[int]
MACH_SEND_TRAILER: Final[int]
MACH_SEND_NOIMPORTANCE: Final[int]
MACH_SEND_NODENAP: Final[int]
MACH_SEND_IMPORTANCE: Final[int]
MACH_SEND_SYNC_OVERRIDE: Final[int]
MACH_SEND_PROPAGATE_QOS: Final[int]
MACH_SEND_SYNC_USE_THRPRI: Final[int]
MACH_SEND_KERNEL: Final[int]
MACH_SEND_SYNC_BOOTSTRAP_CHECKIN: Final[int]
MACH_RCV_TIMEOUT: Final[int]
MACH_RCV_INTERRUPT: Final[int]
MACH_RCV_VOUCHER: Final[int]
MACH_RCV_GUARDED_DESC: Final[int]
MACH_RCV_SYNC_WAIT: Final[int]
MACH_RCV_SYNC_PEEK: Final[int]
MACH_RCV_NOTIFY: Final[int]
MACH_RCV_OVERWRITE: Final[int]
MACH_RCV_TRAILER_NULL: Final[int]
MACH_RCV_TRAILER_SEQNO: Final[int]
MACH_RCV_TRAILER_SENDER: Final[int]
MACH_RCV_TRAILER_AUDIT: Final[int]
MACH_RCV_TRAILER_CTX: Final[int]
MACH_RCV_TRAILER_AV: Final[int]
MACH_RCV_TRAILER_LABELS: Final[int]
MACH_RCV_TRAILER_MASK: Final[int]
MACH_MSG_SUCCESS: Final[int]
MACH_MSG_MASK: Final[int]
MACH_MSG_IPC_SPACE: Final[int]
MACH_MSG_VM_SPACE: Final[int]
MACH_MSG_IPC_KERNEL: Final[int]
MACH_MSG_VM_KERNEL: Final[int]
MACH_SEND_IN_PROGRESS: Final[int]
MACH_SEND_INVALID_DATA: Final[int]
MACH_SEND_INVALID_DEST: Final[int]
MACH_SEND_TIMED_OUT: Final[int]
MACH_SEND_INVALID_VOUCHER: Final[int]
MACH_SEND_INTERRUPTED: Final[int]
MACH_SEND_MSG_TOO_SMALL: Final[int]
MACH_SEND_INVALID_REPLY: Final[int]
MACH_SEND_INVALID_RIGHT: Final[int]
MACH_SEND_INVALID_NOTIFY: Final[int]
MACH_SEND_INVALID_MEMORY: Final[int]
MACH_SEND_NO_BUFFER: Final[int]
MACH_SEND_TOO_LARGE: Final[int]
MACH_SEND_INVALID_TYPE: Final[int]
MACH_SEND_INVALID_HEADER: Final[int]
MACH_SEND_INVALID_TRAILER: Final[int]
MACH_SEND_INVALID_CONTEXT: Final[int]
MACH_SEND_INVALID_OPTIONS: Final[int]
MACH_SEND_INVALID_RT_OOL_SIZE: Final[int]
MACH_SEND_NO_GRANT_DEST: Final[int]
MACH_SEND_MSG_FILTERED: Final[int]
MACH_SEND_AUX_TOO_SMALL: Final[int]
MACH_SEND_AUX_TOO_LARGE: Final[int]
MACH_RCV_IN_PROGRESS: Final[int]
MACH_RCV_INVALID_NAME: Final[int]
MACH_RCV_TIMED_OUT: Final[int]
MACH_RCV_TOO_LARGE: Final[int]
MACH_RCV_INTERRUPTED: Final[int]
MACH_RCV_PORT_CHANGED: Final[int]
MACH_RCV_INVALID_NOTIFY: Final[int]
MACH_RCV_INVALID_DATA: Final[int]
MACH_RCV_PORT_DIED: Final[int]
MACH_RCV_IN_SET: Final[int]
MACH_RCV_HEADER_ERROR: Final[int]
MACH_RCV_BODY_ERROR: Final[int]
MACH_RCV_INVALID_TYPE: Final[int]
MACH_RCV_SCATTER_SMALL: Final[int]
MACH_RCV_INVALID_TRAILER: Final[int]
MACH_RCV_IN_PROGRESS_TIMED: Final[int]
MACH_RCV_INVALID_REPLY: Final[int]
MACH_RCV_INVALID_ARGUMENTS: Final[int]
MACH_PORT_NULL: Final[int]
MACH_PORT_DEAD: Final[int]
MACH_PORT_RIGHT_SEND: Final[int]
MACH_PORT_RIGHT_RECEIVE: Final[int]
MACH_PORT_RIGHT_SEND_ONCE: Final[int]
MACH_PORT_RIGHT_PORT_SET: Final[int]
MACH_PORT_RIGHT_DEAD_NAME: Final[int]
MACH_PORT_RIGHT_LABELH: Final[int]
MACH_PORT_RIGHT_NUMBER: Final[int]
MACH_PORT_TYPE_NONE: Final[int]
MACH_PORT_TYPE_SEND: Final[int]
MACH_PORT_TYPE_RECEIVE: Final[int]
MACH_PORT_TYPE_SEND_ONCE: Final[int]
MACH_PORT_TYPE_PORT_SET: Final[int]
MACH_PORT_TYPE_DEAD_NAME: Final[int]
MACH_PORT_TYPE_LABELH: Final[int]
MACH_PORT_TYPE_SEND_RECEIVE: Final[int]
MACH_PORT_TYPE_SEND_RIGHTS: Final[int]
MACH_PORT_TYPE_PORT_RIGHTS: Final[int]
MACH_PORT_TYPE_PORT_OR_DEAD: Final[int]
MACH_PORT_TYPE_ALL_RIGHTS: Final[int]
MACH_PORT_TYPE_DNREQUEST: Final[int]
MACH_PORT_TYPE_SPREQUEST: Final[int]
MACH_PORT_TYPE_SPREQUEST_DELAYED: Final[int]
MACH_PORT_QLIMIT_ZERO: Final[int]
MACH_PORT_QLIMIT_BASIC: Final[int]
MACH_PORT_QLIMIT_SMALL: Final[int]
MACH_PORT_QLIMIT_LARGE: Final[int]
MACH_PORT_QLIMIT_KERNEL: Final[int]
MACH_PORT_QLIMIT_MIN: Final[int]
MACH_PORT_QLIMIT_DEFAULT: Final[int]
MACH_PORT_QLIMIT_MAX: Final[int]
MACH_NOTIFY_FIRST: Final[int]
MACH_NOTIFY_PORT_DELETED: Final[int]
MACH_NOTIFY_SEND_POSSIBLE: Final[int]
MACH_NOTIFY_PORT_DESTROYED: Final[int]
MACH_NOTIFY_NO_SENDERS: Final[int]
MACH_NOTIFY_SEND_ONCE: Final[int]
MACH_NOTIFY_DEAD_NAME: Final[int]
MACH_NOTIFY_LAST: Final[int]
BOOTSTRAP_SUCCESS: Final[int]
BOOTSTRAP_NOT_PRIVILEGED: Final[int]
BOOTSTRAP_NAME_IN_USE: Final[int]
BOOTSTRAP_UNKNOWN_SERVICE: Final[int]
BOOTSTRAP_SERVICE_ACTIVE: Final[int]
BOOTSTRAP_NO_MEMORY: Final[int]
