"""Rights as Python objects: made, copied, moved, asked about, between processes."""

import pytest

import machool
from machool import Disposition, Move, Port, PortType, Right
from machool.errors import MachError
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")


# --- in one process -------------------------------------------------------------------------------


def test_new_port_has_a_receive_right():
    with Port() as port:
        assert port.right == "receive"
        assert port.name
        assert not port.dead
        assert port.refs == 1
        assert machool.names()[port.name] == PortType.RECEIVE
        status = port.status
        assert (status.mscount, status.qlimit, status.msgcount, status.srights) == (0, 5, 0, False)
    assert port.name == 0


def test_allocate():
    with Port.allocate() as port, Port.allocate(Right.DEAD_NAME) as dead:
        assert port.right == "receive"
        assert dead.right == "dead-name"
        assert dead.dead
        assert machool.names()[dead.name] == PortType.DEAD_NAME
    for right in (Right.SEND, Right.SEND_ONCE, Right.PORT_SET, 17):
        with pytest.raises(ValueError, match="allocated"):
            Port.allocate(right)


def test_make_send_counts():
    with Port() as port:
        sends = [port.make_send() for _ in range(3)]
        assert {send.name for send in sends} == {port.name}
        assert sends[0].right == "send"
        assert sends[0].refs == 3
        assert port.status.mscount == 3
        assert port.status.srights
        assert machool.names()[port.name] & PortType.SEND
        for send in sends:
            send.close()
        assert not port.status.srights
        assert port.status.mscount == 3


def test_make_send_once():
    with Port() as port:
        once = port.make_send_once()
        assert once.right == "send-once"
        assert once.name != port.name
        assert port.status.sorights == 1
        once.send(b"the one")
        assert once.name == 0
        assert port.receive(timeout=LIMIT).body == b"the one"
        with pytest.raises(ValueError, match="closed"):
            once.send(b"another")


def test_send_once_that_is_dropped_notifies():
    with Port() as port:
        port.make_send_once().close()
        notification = port.receive(timeout=LIMIT)
        assert isinstance(notification, machool.Notification)
        assert notification.kind is machool.NotificationKind.SEND_ONCE


def test_copy():
    with Port() as port, port.make_send() as send, send.copy() as copy:
        assert copy.name == send.name
        assert copy.right == "send"
        assert copy.refs == 2
        port.close()
        assert send.dead
        assert copy.dead
        with copy.copy() as third:
            assert third.right == "dead-name"
            assert third.refs == 3
        with pytest.raises(machool.PeerDied):
            send.send(b"")


@pytest.mark.parametrize("what", ["receive", "send-once"])
def test_what_cannot_be_copied(what):
    with Port() as port, port.make_send_once() as once:
        with pytest.raises(MachError) as info:
            (port if what == "receive" else once).copy()
        assert info.value.name == "KERN_INVALID_RIGHT"


def test_only_a_receive_right_makes_rights():
    with Port() as port, port.make_send() as send:
        for make in (send.make_send, send.make_send_once):
            with pytest.raises(MachError) as info:
                make()
            assert info.value.name == "KERN_INVALID_RIGHT"


def test_queue_limit():
    with Port(queue_limit=2) as port:
        assert port.queue_limit == 2
        port.send(b"1", timeout=0)
        port.send(b"2", timeout=0)
        with pytest.raises(machool.TimedOut):
            port.send(b"3", timeout=0)
        port.queue_limit = 3
        port.send(b"3", timeout=0)
        assert port.status.msgcount == 3
        assert [port.receive(0).body for _ in range(3)] == [b"1", b"2", b"3"]
        for wrong in (-1, 1025):
            with pytest.raises(ValueError, match="0 to 1024"):
                port.queue_limit = wrong
        with pytest.raises(AttributeError):
            del port.queue_limit
    with pytest.raises(ValueError, match="0 to 1024"):
        Port(queue_limit=1025)


def test_context_comes_with_each_message():
    with Port() as port:
        assert port.context == 0
        port.context = 0xFEEDFACECAFEBEEF
        assert port.context == 0xFEEDFACECAFEBEEF
        port.send(b"x")
        message = port.receive(timeout=LIMIT)
        assert message.context == 0xFEEDFACECAFEBEEF
        assert message.port is port
        with pytest.raises(OverflowError):
            port.context = 1 << 64


def test_seqno_counts_what_was_received():
    with Port() as port:
        for _ in range(3):
            port.send(b"")
        assert [port.receive(0).seqno for _ in range(3)] == [0, 1, 2]
        assert port.status.seqno == 3


def test_attributes_of_other_rights():
    with Port() as port, port.make_send() as send:
        for read in ("status", "queue_limit", "context"):
            with pytest.raises(ValueError, match="receive right"):
                getattr(send, read)
        with pytest.raises(ValueError, match="receive right"):
            send.queue_limit = 3


def test_closed_port_says_so():
    port = Port()
    port.close()
    for use in (port.make_send, port.make_send_once, port.copy, port.receive, port.fileno):
        with pytest.raises(ValueError, match="closed"):
            use()
    with Port() as other, pytest.raises(ValueError, match="closed"):
        other.send(ports=[Move(port)])


def test_names_forgets_what_is_closed():
    before = machool.names()
    with Port() as port, port.make_send():
        name = port.name
        assert set(machool.names()) - set(before) == {name}
        assert machool.names()[name] == PortType.SEND | PortType.RECEIVE
    assert name not in machool.names()


# --- moving ---------------------------------------------------------------------------------------


def test_moved_send_right_leaves_the_port_closed():
    with Port() as port, Port() as way:
        send = port.make_send()
        way.send(ports=Move(send))
        assert send.name == 0
        (arrived,) = way.receive(timeout=LIMIT).ports
        assert arrived.right == "send"
        assert arrived.refs == 1
        arrived.close()
        assert not port.status.srights


def test_moved_receive_right_takes_its_queue():
    with Port() as way:
        port = Port()
        with port.make_send() as send:
            send.send(b"queued")
            way.send(ports=[Move(port)])
            assert port.name == 0
            assert port.right == "receive"
            send.send(b"on the way")
            (arrived,) = way.receive(timeout=LIMIT).ports
            assert arrived.right == "receive"
            assert [arrived.receive(timeout=LIMIT).body for _ in range(2)] == [
                b"queued",
                b"on the way",
            ]
            arrived.close()
            assert send.dead


@pytest.mark.parametrize("right", ["receive", "send", "send-once"])
@pytest.mark.parametrize("count", [1, 130])
def test_failed_send_gives_back_what_would_have_moved(right, count):
    with Port() as way:
        way.queue_limit = 0
        ports = [Port() for _ in range(count)]
        rights = {
            "receive": lambda port: port,
            "send": Port.make_send,
            "send-once": Port.make_send_once,
        }
        moving = [rights[right](port) for port in ports]
        with pytest.raises(machool.TimedOut):
            way.send(ports=[Move(port) for port in moving], timeout=0.06)
        assert all(port.name for port in moving)
        for port, back in zip(ports, moving, strict=True):
            if right == "receive":
                port.send(b"still here")
            else:
                back.send(b"still here")
            assert port.receive(timeout=LIMIT).body == b"still here"
        for port in (*moving, *ports):
            port.close()


def test_what_moves_twice_is_refused_before_anything_is_sent():
    with Port() as way, Port() as port:
        with pytest.raises(ValueError, match="closed"):
            way.send(ports=[Move(port), Move(port)])
        assert port.name
        with pytest.raises(machool.TimedOut):
            way.receive(timeout=0)


def test_move_takes_a_port_only():
    with pytest.raises(TypeError):
        Move(3)
    with Port() as port:
        assert Move(port).port is port
        assert "Move(" in repr(Move(port))


@pytest.mark.parametrize("count", [127, 128, 1000])
def test_many_rights_arrive_in_order(count):
    with Port() as way, Port() as other:
        other_send, own_send = other.make_send(), way.make_send()
        ports = [(own_send, None, other_send, other)[i % 4] for i in range(count)]
        way.send(b"many", ports=ports)
        arrived = way.receive(timeout=LIMIT).ports
        wanted = [None if port is None else port.name for port in ports]
        assert [None if port is None else port.name for port in arrived] == wanted
        assert arrived[0].refs == len([port for port in ports if port is own_send]) + 1
        for port in (other_send, own_send):
            port.close()


def test_more_rights_than_mach_lets_through():
    with Port() as way, way.make_send() as send:
        with pytest.raises(machool.MessageTooLarge):
            way.send(ports=[send] * 16_384)
        assert send.refs == 1
        way.send(ports=[send] * 16_383)
        message = way.receive(timeout=LIMIT)
        assert len(message.ports) == 16_383
        assert send.refs == 16_384
        del message
        assert send.refs == 1


def test_reply_by_every_right():
    with Port() as server, Port() as inbox:
        once, send, kept = inbox.make_send_once(), inbox.make_send(), inbox.make_send()
        for reply in (inbox, once, kept, Move(send)):
            server.send(b"?", reply=reply)
            server.receive(timeout=LIMIT).reply(b"!")
            assert inbox.receive(timeout=LIMIT).body == b"!"
        assert (once.name, send.name) == (0, 0)
        assert kept.refs == 1
        with pytest.raises(ValueError, match="reply"):
            server.send(b"?", reply=Move(inbox))
        with pytest.raises(TypeError):
            server.send(b"?", reply=3)
        kept.close()


def test_failed_send_gives_back_the_reply_right():
    with Port(queue_limit=0) as server, Port() as inbox:
        once = inbox.make_send_once()
        with pytest.raises(machool.TimedOut):
            server.send(b"?", reply=once, timeout=0.06)
        assert once.name
        once.send(b"used otherwise")
        assert inbox.receive(timeout=LIMIT).body == b"used otherwise"


def test_disposition_names_what_c_says():
    assert Disposition.MOVE_RECEIVE == machool.mach.MACH_MSG_TYPE_MOVE_RECEIVE


# --- between processes ----------------------------------------------------------------------------


def counter(name):
    """Counts what comes to a port that it hands out, and gives the port itself away on request."""
    count = 0
    with machool.Server(name) as server, machool.PortSet([server]) as ports:
        port = machool.Port()
        ports.add(port)
        tell("ready")
        for message in ports:
            if message.port is server and message.id == 1:
                message.reply(ports=port)
            elif message.port is server:
                message.reply(str(count).encode(), ports=machool.Move(port))
            else:
                count += 1


def test_receive_right_of_another_process(spawn, name):
    peer = spawn(counter, name)
    peer.hear()
    with machool.Client(name, timeout=LIMIT) as client:
        (send,) = client.request(id=1).ports
        for number in range(3):
            send.send(b"%d" % number, timeout=LIMIT)
        reply = client.request(id=2)
        (port,) = reply.ports
        assert port.right == "receive"
        for number in range(3, 6):
            send.send(b"%d" % number, timeout=LIMIT)
        rest = [int(port.receive(timeout=LIMIT).body) for _ in range(6 - int(reply.body))]
        assert rest == list(range(int(reply.body), 6))
        assert port.name == send.name  # ours now, and so one name (S104)
        reply = None
        port.close()
        assert send.dead
        send.close()
    peer.kill()


def relay(name, next_name):
    with machool.Client(next_name) as client, machool.Server(name) as server:
        tell("ready")
        for message in server:
            if message.id == 99:
                break
            client.send(message.body, ports=[machool.Move(port) for port in message.ports])
            del message


def test_receive_right_goes_through_a_chain_of_processes(spawn, names):
    first, second, last = names(), names(), names()
    with machool.Server(last) as server:
        peers = []
        for way in ((second, last), (first, second)):
            peers.append(spawn(relay, *way))
            peers[-1].hear()
        with machool.Client(first, timeout=LIMIT) as client:
            port = Port()
            send = port.make_send()
            for number in range(4):
                send.send(b"%d" % number, timeout=LIMIT)
            client.send(b"yours", ports=[Move(port), send])
            client.send(id=99)
        message = server.receive(timeout=LIMIT)
        home, copy = message.ports
        assert (home.right, copy.right) == ("receive", "send")
        assert home.name == copy.name == send.name
        copy.send(b"4", timeout=LIMIT)
        assert [home.receive(timeout=LIMIT).body for _ in range(5)] == [
            b"%d" % number for number in range(5)
        ]
        for port in (home, copy, send):
            port.close()
        for peer in peers:
            peer.kill()


def keeper(name):
    with machool.Server(name) as server:
        tell("ready")
        request = server.receive()
        kept = list(request.ports)
        request.reply(str([port.right for port in kept]).encode())
        tell(len({port.name for port in kept}))
        for port in kept:
            if hear() == "use":
                port.send(b"used")
            else:
                port.close()
        hear()


def test_send_once_rights_of_many_ports_in_another_process(spawn, name):
    peer = spawn(keeper, name)
    peer.hear()
    with machool.Client(name, timeout=LIMIT) as client, Port() as inbox:
        reply = client.request(ports=[inbox.make_send_once() for _ in range(150)])
        assert reply.body == repr(["send-once"] * 150).encode()
        assert peer.hear() == 150
        assert inbox.status.sorights == 150
        for use in range(148):
            peer.tell("use" if use % 2 else "drop")
            message = inbox.receive(timeout=LIMIT)
            assert isinstance(message, machool.Notification) == (not use % 2)
        peer.kill()  # the last two end with it (S131)
        for _ in range(2):
            assert isinstance(inbox.receive(timeout=LIMIT), machool.Notification)
