"""Notifications (S128-S138), and callbacks for deaths."""

import gc
import os
import threading
import weakref

import pytest

import machool
from machool import Notification, NotificationKind, Port
from machool.errors import MachError
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")


def holder(name):
    """Holds the rights it is sent until it is told to let them go, or killed."""
    with machool.Server(name) as server:
        tell("ready")
        while True:
            request = server.receive()
            kept = request.ports
            own = machool.Port()
            request.reply(ports=own)
            del request
            if hear() == "drop":
                for port in kept:
                    port.close()
                own.close()


@pytest.fixture
def held(spawn, name):
    """A peer, and a client of it."""
    peer = spawn(holder, name)
    peer.hear()
    with machool.Client(name, timeout=LIMIT) as client:
        yield peer, client


# --- by request -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["drop", "kill"])
def test_dead_name(held, how):
    peer, client = held
    with Port() as inbox:
        (port,) = client.request().ports
        assert port.request_notification(NotificationKind.DEAD_NAME, inbox) is None
        if how == "kill":
            peer.kill()
        else:
            peer.tell("drop")
        message = inbox.receive(timeout=LIMIT)
        assert isinstance(message, Notification)
        assert message.kind is NotificationKind.DEAD_NAME
        assert message.name == port.name
        assert message.port is inbox
        assert tuple(message.sender) == (0, 0, 0)
        (dead,) = message.ports
        assert dead.right == "dead-name"
        assert port.refs == 2
        for right in (dead, port):
            right.close()


def test_name_that_is_let_go_of_first(held):
    _, client = held
    with Port() as inbox:
        (port,) = client.request().ports
        name = port.name
        port.request_notification(NotificationKind.DEAD_NAME, inbox)
        port.close()
        message = inbox.receive(timeout=LIMIT)
        assert (message.kind, message.name) == (NotificationKind.PORT_DELETED, name)
        assert message.ports == ()


@pytest.mark.parametrize("how", ["drop", "kill"])
def test_no_senders(held, how):
    peer, client = held
    with Port() as port, Port() as inbox:
        port.request_notification(NotificationKind.NO_SENDERS, inbox, sync=1)
        assert port.status.nsrequest
        client.request(ports=[port, port])
        assert port.status.srights
        with pytest.raises(machool.TimedOut):
            inbox.receive(timeout=0)
        if how == "kill":
            peer.kill()
        else:
            peer.tell("drop")
        message = inbox.receive(timeout=LIMIT)
        assert message.kind is NotificationKind.NO_SENDERS
        assert message.count == 2
        assert message.name == 0
        assert not port.status.nsrequest


def test_no_senders_of_a_fresh_port_comes_at_once():
    with Port() as port:
        port.request_notification(NotificationKind.NO_SENDERS, port)  # S135
        assert port.receive(timeout=0).count == 0


def test_port_destroyed_brings_the_right_back():
    with Port() as inbox:
        port = Port()
        send = port.make_send()
        port.request_notification(NotificationKind.PORT_DESTROYED, inbox)
        send.send(b"queued")
        port.close()
        message = inbox.receive(timeout=LIMIT)
        assert message.kind is NotificationKind.PORT_DESTROYED
        (back,) = message.ports
        assert back.right == "receive"
        assert not send.dead
        assert back.receive(timeout=0).body == b"queued"
        back.close()
        assert send.dead
        send.close()


def test_send_possible(held):
    with Port(queue_limit=1) as port, Port() as inbox, port.make_send() as send:
        send.send(b"1", timeout=0)
        assert send.request_notification(NotificationKind.SEND_POSSIBLE, inbox, sync=1) is None
        with pytest.raises(machool.TimedOut):
            inbox.receive(timeout=0)
        port.receive(timeout=0)
        message = inbox.receive(timeout=LIMIT)
        assert (message.kind, message.name) == (NotificationKind.SEND_POSSIBLE, send.name)


def test_withdrawn_request_gives_the_right_back():
    with Port() as port, Port() as inbox, port.make_send() as send:
        send.request_notification(NotificationKind.DEAD_NAME, inbox)
        back = send.request_notification(NotificationKind.DEAD_NAME, None)
        assert back.right == "send-once"
        back.send(b"unused")
        assert inbox.receive(timeout=0).body == b"unused"
        assert send.request_notification(NotificationKind.DEAD_NAME, None) is None


def test_send_once_right_as_notify_moves():
    with Port() as port, Port() as inbox, port.make_send() as send:
        once = inbox.make_send_once()
        send.request_notification(NotificationKind.DEAD_NAME, once)
        assert once.name == 0
        port.close()
        assert inbox.receive(timeout=0).kind is NotificationKind.DEAD_NAME


def test_refused_requests_consume_nothing():
    with Port() as port, Port() as inbox, port.make_send() as send:
        once = inbox.make_send_once()
        for right, kind in (
            (port, 12345),
            (send, NotificationKind.NO_SENDERS),
            (Port.allocate(machool.Right.DEAD_NAME), NotificationKind.DEAD_NAME),  # S133
        ):
            with pytest.raises(MachError) as info:
                right.request_notification(kind, once)
            assert info.value.call == "mach_port_request_notification"
            assert once.name
        for wrong in (send, 3):
            with pytest.raises(TypeError, match="notify"):
                send.request_notification(NotificationKind.DEAD_NAME, wrong)
        with pytest.raises(TypeError):
            send.request_notification(NotificationKind.DEAD_NAME)
        once.close()
        assert inbox.receive(timeout=0).kind is NotificationKind.SEND_ONCE


def forger(name):
    with machool.Client(name) as client:
        for kind in machool.NotificationKind:
            client.send(bytes(12), id=kind)
    hear()


def test_nobody_forges_a_notification(spawn, name):
    with machool.Server(name, queue_limit=10) as server:
        peer = spawn(forger, name)
        for kind in NotificationKind:
            message = server.receive(timeout=LIMIT)
            assert message.id == kind
            assert not isinstance(message, Notification)
            assert message.sender.pid == peer.pid
        peer.done()


def test_notification_is_a_message():
    assert issubclass(Notification, machool.Message)
    for cls in (Notification, machool.Message):
        with pytest.raises(TypeError):
            cls()


# --- on_death -------------------------------------------------------------------------------------


class Calls:
    """What callbacks were called with."""

    def __init__(self):
        self.list, self.came = [], threading.Semaphore(0)

    def __call__(self, port):
        self.list.append(port)
        self.came.release()

    def wait(self):
        assert self.came.acquire(timeout=LIMIT)


@pytest.fixture(autouse=True, scope="module")
def watcher_runs():
    """The thread and its port stay for the life of the process."""
    with Port() as port:
        port.make_send().on_death(print).cancel()


@pytest.mark.parametrize("how", ["drop", "kill"])
def test_on_death(held, how):
    peer, client = held
    (port,) = client.request().ports
    calls = Calls()
    watches = [port.on_death(calls), port.on_death(calls), client.port.on_death(calls)]
    assert all(watch.active for watch in watches)
    if how == "kill":
        peer.kill()
        for _ in range(3):
            calls.wait()
    else:
        peer.tell("drop")
        for _ in range(2):
            calls.wait()
        assert calls.list == [port, port]
        assert watches[2].active
        watches[2].cancel()
    assert port.dead
    assert not any(watch.active for watch in watches)


def test_on_death_of_the_dead():
    with Port() as port:
        send = port.make_send()
    calls = Calls()
    send.on_death(calls)
    calls.wait()
    assert calls.list == [send]


def test_cancelled_watch_is_not_called_and_lets_go():
    with Port() as port:
        send, calls = port.make_send(), Calls()
        first, second = send.on_death(calls), send.on_death(calls)
        first.cancel()
        first.cancel()
        assert not first.active
        assert second.active
        gone = send.on_death(print)
        gone.cancel()
        port.close()
        calls.wait()
        assert calls.list == [send]
        let_go = threading.Event()
        weakref.finalize(calls, let_go.set)
        del first, second, calls
        gc.collect()
        assert let_go.wait(LIMIT)  # the thread keeps nothing


def test_watch_keeps_the_right_until_cancelled():
    with Port() as port:
        watch = port.make_send().on_death(print)
        assert port.status.srights
        watch.cancel()
        assert not port.status.srights


def test_callback_that_raises_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_type))
    with Port() as one, Port() as two:
        calls = Calls()
        first, second = one.make_send(), two.make_send()
        first.on_death(lambda port: 1 / 0)
        second.on_death(calls)
        one.close()
        two.close()
        calls.wait()
    assert reported == [ZeroDivisionError]
    del first, second


def test_on_death_wants_a_send_right_and_a_callable():
    with Port() as port, port.make_send() as send:
        with pytest.raises(ValueError, match="receive right"):
            port.on_death(print)
        with pytest.raises(TypeError, match="callable"):
            send.on_death(3)


def forks_and_watches(name):
    def watched():
        client = machool.Client(name)
        (port,) = client.request().ports
        came = threading.Event()
        port.on_death(lambda port: came.set())
        return came

    came = watched()
    child = os.fork()
    if child == 0:
        came = watched()
        tell("child")
        os._exit(0 if came.wait(20) else 1)
    tell("parent")
    assert came.wait(20)
    tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def giver(name):
    with machool.Server(name) as server:
        tell("ready")
        kept = []
        for request in server:
            kept.append(machool.Port())
            request.reply(ports=kept[-1])
            del request


def test_on_death_in_a_forked_child(spawn, name):
    service = spawn(giver, name)
    service.hear()
    peer = spawn(forks_and_watches, name)
    assert {peer.hear(), peer.hear()} == {"child", "parent"}
    service.kill()
    assert peer.hear() == 0
    peer.done()
