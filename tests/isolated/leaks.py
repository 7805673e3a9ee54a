"""Every public callable, some hundred times over, in a process of its own: nothing grows.

Run by test_leaks.py. Prints, for each callable that grew, what grew by how much, as one literal.
"""

import atexit
import contextlib
import functools
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

import machool
from machool import OOL, Client, Move, NotificationKind, Port, PortSet, Region, Right, Server
from peer import Peer, holdings, settle, tell

ROUNDS = 300
LIMIT = 20.0
BLOCKS = ROUNDS // 2
"""Memory blocks of the interpreter that may come with caches: a leak is one a round, or more."""
MEMORY = 1 << 20
"""Bytes of the process that may: arenas grow in steps."""

CASES: dict[str, Callable[[], object]] = {}
NAME = f"com.example.leaks.{os.getpid()}"


def case(*names: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """The function uses these callables."""

    def add(function: Callable[[], object]) -> Callable[[], object]:
        CASES[" ".join(names)] = function
        return function

    return add


@contextlib.contextmanager
def pair() -> Iterator[tuple[Port, Port]]:
    with Port() as port, port.make_send() as send:
        yield port, send


def echo(name: str) -> None:
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            request.reply(ool=request.ool)


@functools.cache
def another_task() -> Client:
    """A client of one that sends back what it gets; memory for it goes in loans."""
    peer = Peer(echo, NAME + ".echo")
    peer.hear()
    atexit.register(peer.close)
    return Client(NAME + ".echo", timeout=LIMIT)


class refused:
    """No generator: CPython 3.13 loses memory when one catches a MemoryError of its own."""

    def __init__(self, *errors: type[BaseException]) -> None:
        self.errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        assert kind, "it was not refused"
        return issubclass(kind, self.errors)


# --- memory ---------------------------------------------------------------------------------------


@case("Region", "Region.close", "Region.address", "Region.size", "Region.moved", "Region.closed")
def region() -> None:
    with Region(200_000) as made:
        view = memoryview(made)
        view[:3] = b"abc"
        repr((made, made.address, made.size, made.moved, made.closed))
    view.release()
    with refused(ValueError):
        memoryview(made)
    with refused(ValueError):
        Region(-1)
    with refused(MemoryError):
        Region(1 << 60)


@case("Region.readonly")
def readonly() -> None:
    with Port() as port:
        port.send(ool=b"x" * 100)
        part = port.receive(0, readonly=True).ool[0]
        with refused(TypeError):
            part[0] = 1


@case("OOL", "OOL.buffer", "OOL.copy", "OOL.deallocate")
def ool() -> None:
    part = OOL(bytearray(5), copy=machool.PHYSICAL_COPY)
    repr((part, part.buffer, part.copy, part.deallocate))
    for arguments in ((3,), (b"", 1)):
        with refused(TypeError):
            OOL(*arguments)
    with refused(ValueError):
        OOL(b"", copy=7)


@case("Message", "Message.ool", "Message.descriptors", "Message.body", "Message.id")
def parts() -> None:
    with Port() as port:
        moved = Region(300_000)
        port.send(
            b"body", ool=[b"small", bytes(100_000), Region(200_000), OOL(moved, deallocate=True)]
        )
        message = port.receive(0)
        assert moved.moved
        repr((message, message.ool, message.descriptors, message.body, message.id))


@case("Message.sender", "Message.seqno", "Message.context", "Message.port", "Message.ports")
def trailer() -> None:
    with Port() as port:
        port.send(ports=[port, None])
        message = port.receive(0)
        repr((message.sender, message.seqno, message.context, message.port, message.ports))


@case("Message.reply", "Message.has_reply_port")
def reply() -> None:
    with Port() as port, Port() as inbox:
        for answered in (True, False):
            port.send(reply=inbox)
            message = port.receive(0)
            assert message.has_reply_port
            if answered:
                message.reply(b"x", ool=bytes(70_000), ports=port)
                with refused(ValueError):
                    message.reply(b"again")
            del message
            inbox.receive(0)


@case("Message.copy_into", "Port.recv_into", "Server.recv_into", "PortSet.recv_into")
def into() -> None:
    buffer = bytearray(300_000)
    with Port() as port, Server(NAME) as server, PortSet([port]) as members:
        with Client(NAME) as client:
            client.send(ool=bytes(100_000))
            server.recv_into(buffer, LIMIT)
        for receiver in (port, members):
            for size in (5, 100_000, 300_000, 300_001):
                port.send(ool=[bytes(size), bytes(7)])
                try:
                    _, message = receiver.recv_into(buffer, 0)
                except machool.BufferTooSmall as error:
                    message = error.message
                message.copy_into(buffer, 1)
                with refused(IndexError):
                    message.copy_into(buffer, 2)
                with refused(BufferError):
                    message.copy_into(b"")
            with refused(machool.TimedOut):
                receiver.recv_into(buffer, 0)


# --- rights ---------------------------------------------------------------------------------------


@case("Port", "Port.close", "Port.make_send", "Port.make_send_once", "Port.copy", "Port.allocate")
def rights() -> None:
    with Port(queue_limit=3) as port, port.make_send() as send, send.copy() as copy:
        repr((port, send, copy))
        port.make_send_once().close()
        Port.allocate(Right.DEAD_NAME).close()
        with refused(machool.MachError):
            send.make_send()
        with refused(machool.MachError):
            port.copy()
        with refused(ValueError):
            Port(queue_limit=-1)


@case("Port.name", "Port.right", "Port.dead", "Port.refs", "Port.status", "PortStatus")
def asked() -> None:
    with pair() as (port, send):
        repr((port.name, port.right, send.dead, send.refs, port.status))
        with refused(ValueError):
            send.status  # noqa: B018


@case("Port.queue_limit", "Port.context")
def attributes() -> None:
    with Port() as port:
        port.queue_limit = 7
        port.context = 1 << 63
        assert (port.queue_limit, port.context) == (7, 1 << 63)


@case("Port.send", "Port.receive", "Move", "Move.port")
def sent() -> None:
    with Port() as way:
        port = Port()
        send = port.make_send()
        way.send(ports=[Move(port), Move(send), way.make_send_once()])
        way.receive(0)
        way.receive(0)  # the dropped send-once right
        way.send(ports=[way] * 200)
        way.receive(0)
        with refused(machool.TimedOut):
            way.receive(0)
        with refused(TypeError):
            way.send(ports=3)


@case("Port.send that times out")
def full() -> None:
    with Port(queue_limit=0) as port, Port() as moved, moved.make_send_once() as once:
        parts = [bytes(100_000), Region(200_000), OOL(Region(200_000), deallocate=True)]
        with refused(machool.TimedOut):
            port.send(
                ool=parts, ports=[Move(moved), once, port], reply=moved.make_send(), timeout=0
            )
        assert moved.name
        assert once.name


@case("Port.request_notification", "Notification", "Notification.kind", "Notification.name")
def notification() -> None:
    with Port() as inbox:
        with pair() as (port, send):
            send.request_notification(NotificationKind.DEAD_NAME, inbox)
            send.request_notification(NotificationKind.DEAD_NAME, inbox).close()
            port.request_notification(NotificationKind.NO_SENDERS, inbox, sync=1)
        for _ in range(3):
            message = inbox.receive(0)
            assert isinstance(message, machool.Notification)
            repr((message, message.kind, message.name, message.count, message.ports))


@case("Port.on_death", "DeathWatch", "DeathWatch.cancel", "DeathWatch.active")
def deaths() -> None:
    called = threading.Event()
    with pair() as (port, send):
        cancelled = send.on_death(print)
        watch = send.on_death(lambda port: called.set())
        cancelled.cancel()
        assert watch.active
        port.close()
        assert called.wait(LIMIT)


@case(
    "PortSet", "PortSet.add", "PortSet.remove", "PortSet.members", "PortSet.name", "PortSet.close"
)
def port_set() -> None:
    with Port() as one, Port() as two, PortSet([one]) as ports:
        ports.add(two)
        ports.remove(one)
        repr((ports, ports.members, ports.name))
        with refused(ValueError):
            ports.remove(one)
        with refused(TypeError):
            PortSet([one, 3])


@case("PortSet.receive")
def received_from_a_set() -> None:
    with Port() as port, PortSet([port]) as ports:
        port.send(b"x")
        port.send(b"y")
        ports.receive(0)
        next(ports)
        with refused(machool.TimedOut):
            ports.receive(0)


@case("Port.fileno", "PortSet.fileno")
def descriptors() -> None:
    with Port() as port, PortSet([port]) as ports:
        assert port.fileno() >= 0
        assert ports.fileno() >= 0


@case("trim", "set_limits", "Region that came back")
def loans() -> None:
    asks = another_task()
    for size in (50_000, 300_000):
        reply = asks.request(ool=OOL(Region(size, zeroed=False), deallocate=True))
        assert len(reply.ool[0]) == size
        asks.request(ool=bytes(size))
        machool.set_limits(idle_bytes=1 << 20, lent_bytes=1 << 20)
        machool.trim()
        machool.set_limits(idle_bytes=1 << 26, lent_bytes=1 << 28)
    with refused(ValueError):
        machool.set_limits(idle_bytes=-1)
    with refused(TypeError):
        machool.set_limits(lent_bytes="x")  # type: ignore[arg-type]


@case("names", "stats")
def asked_of_the_task() -> None:
    machool.names()
    machool.stats()


# --- services -------------------------------------------------------------------------------------


@case("Server", "Server.close", "Server.name", "Server.closed", "Server.port", "Server.shutdown")
def server() -> None:
    with Server(NAME, queue_limit=3, allow_uids=[1]) as made:
        made.port.close()
        repr((made, made.name, made.closed))
        with refused(machool.ServiceExists):
            Server(NAME)
        made.shutdown()
        with refused(EOFError):
            made.receive()
    with refused(ValueError):
        Server("")


@case("Client", "Client.close", "Client.name", "Client.closed", "Client.port", "Client.send")
def client() -> None:
    with Server(NAME) as made, Client(NAME, timeout=LIMIT) as asks:
        asks.port.close()
        repr((asks, asks.name, asks.closed))
        asks.send(b"x", ool=bytes(100_000), reply=True)
        made.receive(0).reply(b"y")
        asks.receive()
        made.fileno()
        asks.fileno()
    with refused(machool.ServiceNotFound):
        Client(NAME)


@case("Client.recv_into")
def answered_into() -> None:
    with Server(NAME) as made, Client(NAME) as asks:
        asks.send(reply=True)
        made.receive(LIMIT).reply(ool=bytes(100_000))
        asks.recv_into(bytearray(100_000), LIMIT)


@case("Client.request", "Client.receive", "Client.fileno", "Server.receive", "Server.fileno")
def dropped_request() -> None:
    with Server(NAME) as made, Client(NAME) as asks:
        with refused(machool.TimedOut):
            asks.request(timeout=0)
        made.receive(0)
        asks.send(reply=True)
        made.receive(0)
        with refused(machool.PeerDied):
            asks.receive(LIMIT)


@case("Server.serve")
def served() -> None:
    with Server(NAME) as made:
        thread = threading.Thread(target=made.serve, args=(lambda request: request.reply(b"y"),))
        thread.start()
        with Client(NAME, timeout=LIMIT) as asks:
            asks.request(ool=Region(200_000))
        made.shutdown()
        thread.join()


# --- counting -------------------------------------------------------------------------------------


def measure() -> dict[str, int]:
    gc.collect()
    held = {
        key: value
        for key, value in settle({}, 0).items()
        if key not in ("channels", "region_bytes")
    }
    resident = int(open("/proc/self/statm").read().split()[1])  # noqa: SIM115
    return held | {"blocks": sys.getallocatedblocks(), "memory": resident * machool.page_size}


def growth(function: Callable[[], object]) -> dict[str, int]:
    """What grows beyond what may, each time anew and with more rounds: caches fill once, what an
    allocator keeps does not depend on the rounds, a leak goes on."""
    grown: dict[str, int] = {}
    for times in (1, 1, 2, 4, 8):
        may = {"blocks": BLOCKS * times, "memory": MEMORY * times}
        before = measure()
        for _ in range(ROUNDS * times):
            function()
        after = measure()
        grown = {k: after[k] - before[k] for k in before if after[k] - before[k] > may.get(k, 0)}
        if not grown:
            break
    return grown


def main() -> None:
    holdings()
    grown = {names: growth(function) for names, function in CASES.items()}
    print(repr({names: found for names, found in grown.items() if found}))


if __name__ == "__main__":
    main()
