"""Names: who has one, who finds one, who may; owners that are busy, stopped, dead, restarted."""

import os
import socket
import stat
import sys
import threading
import time

import pytest

import machool
from peer import LIMIT, become, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")

STRANGER = 54321


def echo(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            if request.has_reply_port:
                request.reply(request.body)


def idle_owner(name):
    """Owns a name, and never calls machool again until told to."""
    with machool.Server(name) as server:
        tell("ready")
        while hear() == "serve":
            message = server.receive()
            if message.has_reply_port:
                message.reply(message.body)
            tell(message.body)


# --- names ----------------------------------------------------------------------------------------


def test_unknown(name):
    with pytest.raises(machool.ServiceNotFound) as caught:
        machool.Client(name)
    error = caught.value
    assert isinstance(error, LookupError)
    assert error.call == "bootstrap_look_up"
    assert error.code == machool.mach.BOOTSTRAP_UNKNOWN_SERVICE == 1102
    assert error.name == "BOOTSTRAP_UNKNOWN_SERVICE"
    assert error.hint


def test_in_use(spawn, name):
    spawn(echo, name).hear()
    for _ in range(3):
        with pytest.raises(machool.ServiceExists) as caught:
            machool.Server(name)
        assert caught.value.call == "bootstrap_register"
    with machool.Client(name) as client:
        assert client.request(b"still there", timeout=LIMIT).body == b"still there"


def test_in_use_by_this_process(name):
    with machool.Server(name) as server, machool.Client(name) as client:
        with pytest.raises(machool.ServiceExists):
            machool.Server(name)
        client.send(b"to the first")
        assert server.receive(LIMIT).body == b"to the first"
    machool.Server(name).close()


@pytest.mark.parametrize("name", ["", "a" * 128, "a" * 1000, "nul\0inside", "é" * 64])
def test_no_names(name):
    with pytest.raises(ValueError, match="name"):
        machool.Server(name)
    with pytest.raises((ValueError, machool.ServiceNotFound)):
        machool.Client(name)


@pytest.mark.parametrize("name", [None, 5, b"bytes", ["a"]])
def test_what_is_no_name(name):
    with pytest.raises(TypeError):
        machool.Server(name)
    with pytest.raises(TypeError):
        machool.Client(name)


def test_unusual_names(spawn, names):
    base = names()
    unusual = [base + end for end in ("/a/../b", " ", "\n", "%s%n", "\x01", "é", "😀", ".")]
    unusual.append(base + "x" * (127 - len(base)))
    servers = [machool.Server(name) for name in unusual]
    for name, server in zip(unusual, servers, strict=True):
        with machool.Client(name) as client:
            client.send(name.encode())
        assert server.receive(LIMIT).body == name.encode()
        assert server.name == name
    for server in servers:
        server.close()


def test_names_are_compared_byte_for_byte(name):
    with machool.Server(name):
        for other in (name.upper(), name + " ", name[:-1], "." + name):
            with pytest.raises(machool.ServiceNotFound):
                machool.Client(other)


def test_name_is_free_after_close(spawn, name):
    for number in range(20):
        with machool.Server(name) as server, machool.Client(name) as client:
            client.send(str(number).encode())
            assert server.receive(LIMIT).body == str(number).encode()
        with pytest.raises(machool.ServiceNotFound):
            machool.Client(name)


def test_name_is_free_without_close(name):
    server = machool.Server(name)
    with pytest.raises(machool.ServiceExists):
        machool.Server(name)
    del server
    machool.Server(name).close()


def test_race_for_a_name(spawn, name):
    """Of many processes that register at once exactly one wins."""

    def racer(name):
        tell("ready")
        hear()
        try:
            server = machool.Server(name)
        except machool.ServiceExists:
            tell("lost")
        else:
            tell("won")
        hear()
        del server

    racers = [spawn(racer, name) for _ in range(6)]
    for racer_ in racers:
        racer_.hear()
    for racer_ in racers:
        racer_.tell("go")
    assert sorted(racer_.hear() for racer_ in racers) == ["lost"] * 5 + ["won"]


def test_S168_looking_up_twice(spawn, name):
    spawn(echo, name).hear()
    first, second = machool.Client(name), machool.Client(name)
    assert first.port.name == second.port.name
    first.close()
    assert second.request(b"still", timeout=LIMIT).body == b"still"
    second.close()


# --- owners ---------------------------------------------------------------------------------------


def test_restart_under_the_same_name(spawn, name):
    """Old clients are told; new look-ups find the new server."""
    first = spawn(echo, name)
    first.hear()
    with machool.Client(name) as old:
        assert old.request(b"1", timeout=LIMIT).body == b"1"
        first.kill()
        spawn(echo, name).hear()
        with pytest.raises(machool.PeerDied):
            old.request(timeout=LIMIT)
        with machool.Client(name) as new:
            assert new.request(b"2", timeout=LIMIT).body == b"2"
            with pytest.raises(machool.PeerDied):
                old.send()


def test_restart_again_and_again(spawn, name):
    for number in range(10):
        peer = spawn(echo, name)
        peer.hear()
        with machool.Client(name) as client:
            assert client.request(timeout=LIMIT).sender.pid == peer.pid
        if number % 2:
            peer.kill()
        else:
            peer.stop()
            peer.kill()


def test_stopped_owner(spawn, name):
    """SIGSTOP: looking up and sending go on, and nothing is lost."""
    peer = spawn(echo, name)
    peer.hear()
    peer.stop()
    start = time.monotonic()
    with machool.Client(name) as client:
        for number in range(3):
            client.send(str(number).encode(), reply=True, timeout=LIMIT)
        with machool.Client(name) as other:
            other.send(timeout=LIMIT)
        with pytest.raises(machool.ServiceExists):
            machool.Server(name)
        assert time.monotonic() - start < 5.0
        with pytest.raises(machool.TimedOut):
            client.receive(0)
        peer.resume()
        assert [client.receive(LIMIT).body for _ in range(3)] == [b"0", b"1", b"2"]


def test_busy_owner(spawn, name):
    """An owner that computes answers no look-up; what was sent meanwhile waits for it."""
    peer = spawn(idle_owner, name)
    peer.hear()
    start = time.monotonic()
    with machool.Client(name) as first, machool.Client(name) as second:
        assert time.monotonic() - start < 5.0
        first.send(b"1", timeout=LIMIT)
        second.send(b"2", timeout=LIMIT)
        first.send(b"3", timeout=LIMIT)
        assert [peer.ask("serve") for _ in range(3)] == [b"1", b"2", b"3"]
        first.send(b"4", timeout=LIMIT)
        assert peer.ask("serve") == b"4"


def test_S156_order_across_a_late_answer(spawn, names):
    """What was sent before a busy owner was known by another name comes first."""

    def owner(first, second):
        with machool.Server(first), machool.Server(second) as server:
            tell("ready")
            for _ in range(30):
                hear()
                tell([server.receive(30).body for _ in range(4)])

    one, two = names(), names()
    peer = spawn(owner, one, two)
    peer.hear()
    with machool.Client(one), machool.Client(two) as client:
        number = 0
        for _ in range(30):
            bodies = [str(number + i).encode() for i in range(4)]
            number += 4
            client.send(bodies[0], timeout=LIMIT)
            client.send(bodies[1], timeout=LIMIT)
            peer.tell("receive")
            client.send(bodies[2], timeout=LIMIT)
            client.send(bodies[3], timeout=LIMIT)
            assert peer.hear() == bodies


def test_stopped_owner_that_dies(spawn, name):
    peer = spawn(echo, name)
    peer.hear()
    peer.stop()
    with machool.Client(name) as client:
        peer.kill()
        start = time.monotonic()
        with pytest.raises(machool.PeerDied):
            client.request(timeout=LIMIT)
        assert time.monotonic() - start < 1.0
    with pytest.raises(machool.ServiceNotFound):
        machool.Client(name)


def test_many_names_of_one_process(spawn, names):
    def owner(base):
        servers = [machool.Server(f"{base}.{number}") for number in range(100)]
        tell("ready")
        for server in servers:
            server.receive().reply(server.name.encode())
        tell("done")
        hear()

    base = names()
    peer = spawn(owner, base)
    peer.hear()
    for number in range(100):
        with machool.Client(f"{base}.{number}") as client:
            body = client.request(timeout=LIMIT).body
            assert body == f"{base}.{number}".encode()
    assert peer.hear() == "done"


def test_looking_up_in_many_threads(spawn, name):
    spawn(echo, name).hear()
    failures = []

    def work():
        try:
            for _ in range(20):
                with machool.Client(name) as client:
                    assert client.request(b"x", timeout=LIMIT).body == b"x"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_strange_visitor(spawn, name, tmp_path):
    """A process that speaks another language, or nothing at all, disturbs nobody."""

    def serve(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                request.reply(request.body)

    folder = str(tmp_path)
    peer = spawn(serve, name, env={"MACHOOL_BOOTSTRAP_DIR": folder})
    peer.hear()
    (path,) = tmp_path.iterdir()
    visitors = []
    for junk in (b"", b"x", b"\0" * 16, os.urandom(304), os.urandom(5000)):
        visitor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        visitor.connect(str(path))
        if junk:
            visitor.send(junk)
        visitors.append(visitor)

    def client(name):
        with machool.Client(name) as client:
            tell(client.request(b"hello", timeout=30).body)
        hear()

    friend = spawn(client, name, env={"MACHOOL_BOOTSTRAP_DIR": folder})
    assert friend.hear() == b"hello"
    for visitor in visitors:
        visitor.close()


# --- users ----------------------------------------------------------------------------------------


def visit(name, uid):
    """Looks a service up as another user, each time it is told to."""
    become(uid)
    while hear():
        try:
            with machool.Client(name) as client:
                reply = client.request(b"x" * 5, ool=b"y" * 300_000, timeout=30)
                tell((reply.body, len(reply.ool[0]), reply.sender.uid))
        except machool.MachError as error:
            tell((type(error).__name__, isinstance(error, PermissionError), error.name))


def serve_all(name, uids, uid):
    if uid is not None:
        become(uid)
    with machool.Server(name, allow_uids=uids) as server:
        tell("ready")
        for request in server:
            request.reply(repr(tuple(request.sender)[1:]).encode(), ool=request.ool)


def test_other_user_is_refused(root, spawn, name):
    spawn(serve_all, name, (), None).hear()
    visitor = spawn(visit, name, STRANGER)
    for _ in range(3):
        refused = visitor.ask(True)
        assert refused == ("NotPermitted", True, "BOOTSTRAP_NOT_PRIVILEGED")
    with machool.Client(name) as client:
        assert client.request(timeout=LIMIT).body == b"(0, 0)"


def test_allowed_user(root, spawn, name):
    spawn(serve_all, name, (STRANGER, 7), None).hear()
    visitor = spawn(visit, name, STRANGER)
    assert visitor.ask(True) == (f"({STRANGER}, {STRANGER})".encode(), 300_000, 0)
    third = spawn(visit, name, STRANGER + 1)
    assert third.ask(True)[0] == "NotPermitted"


def test_root_may_visit_anybody(root, spawn, name):
    spawn(serve_all, name, (), STRANGER).hear()
    with machool.Client(name) as client:
        reply = client.request(ool=b"z" * 300_000, timeout=LIMIT)
        assert (reply.body, reply.sender.uid) == (b"(0, 0)", STRANGER)
        assert bytes(reply.ool[0]) == b"z" * 300_000


def test_same_user_without_privileges(spawn, name, unprivileged):
    spawn(serve_all, name, (), unprivileged if os.geteuid() == 0 else None).hear()
    visitor = spawn(visit, name, unprivileged)
    mine = f"({unprivileged}, {os.getegid() or unprivileged})".encode()
    assert visitor.ask(True) == (mine, 300_000, unprivileged)


def test_name_of_another_user_is_in_use(root, spawn, name):
    spawn(serve_all, name, (), STRANGER).hear()
    with pytest.raises(machool.ServiceExists):
        machool.Server(name)


@pytest.mark.parametrize("bad", [5, "root", [None], [-1], [1.5], [2**40]])
def test_what_is_no_list_of_uids(name, bad):
    with pytest.raises((TypeError, ValueError, OverflowError)):
        machool.Server(name, allow_uids=bad)
    with pytest.raises(machool.ServiceNotFound):
        machool.Client(name)


def test_names_cannot_be_forged_by_sockets_of_others(root, spawn, name):
    """The sender in a message is the kernel's word, not the sender's."""

    def liar(name, uid):
        become(uid)
        with machool.Client(name) as client:
            tell(os.getpid())
            client.send(repr((1, 0, 0)).encode())
            hear()

    with machool.Server(name, allow_uids=[STRANGER]) as server:
        peer = spawn(liar, name, STRANGER)
        message = None
        while message is None:
            try:
                message = server.receive(0.05)  # answers the look-up, too
            except machool.TimedOut:
                continue
        assert tuple(message.sender) == (peer.hear(), STRANGER, STRANGER)


# --- a folder of names ----------------------------------------------------------------------------


def test_folder_of_names(spawn, name, tmp_path):
    folder = tmp_path / "names"
    env = {"MACHOOL_BOOTSTRAP_DIR": str(folder)}

    def visitor(name):
        try:
            with machool.Client(name) as client:
                tell(client.request(b"in", ool=b"x" * 300_000, timeout=30).body)
        except machool.ServiceNotFound:
            tell("not found")
        hear()

    peer = spawn(echo, name, env=env)
    peer.hear()
    (entry,) = folder.iterdir()
    assert stat.S_ISSOCK(entry.stat().st_mode)
    assert stat.S_IMODE(folder.stat().st_mode) & 0o022 == 0
    assert spawn(visitor, name, env=env).hear() == b"in"
    with pytest.raises(machool.ServiceNotFound):
        machool.Client(name)
    with machool.Server(name):  # the same name outside is another one
        pass
    peer.kill()
    assert spawn(visitor, name, env=env).hear() == "not found"


def test_folder_for_one_process(spawn, name, tmp_path):
    """It looks up its own name, and takes it again."""

    def visit_oneself(name):
        for _ in range(2):
            with machool.Server(name) as server, machool.Client(name, timeout=30) as client:
                threading.Thread(target=lambda: server.receive().reply(b"yes")).start()
                assert client.request().body == b"yes"
        tell("done")

    assert spawn(visit_oneself, name, env={"MACHOOL_BOOTSTRAP_DIR": str(tmp_path)}).hear() == "done"


def test_folder_after_a_kill_and_after_an_end(spawn, name, tmp_path):
    env = {"MACHOOL_BOOTSTRAP_DIR": str(tmp_path)}

    def owner(name):
        with machool.Server(name):
            tell("ready")
            hear()
        tell("closed")

    first = spawn(owner, name, env=env)
    first.hear()
    first.kill()  # leaves its socket behind
    second = spawn(owner, name, env=env)
    assert second.hear() == "ready"
    third = spawn(owner, name, env=env)
    with pytest.raises(AssertionError):
        third.hear()  # ServiceExists ended it
    assert second.ask("close") == "closed"
    assert list(tmp_path.iterdir()) == []


def test_folder_is_empty_when_all_have_ended(spawn, name, tmp_path):
    """Listeners that nobody registered a name for, too: those of clients, and of whoever passes
    rights on."""
    env = {"MACHOOL_BOOTSTRAP_DIR": str(tmp_path)}

    def visitor(name):
        with machool.Client(name) as client:
            tell(client.request(b"in", timeout=LIMIT).body)
            hear()

    def owner(name):
        with machool.Server(name) as server:
            tell("ready")
            message = server.receive(timeout=LIMIT)
            message.reply(message.body)
            hear()
            sys.exit()  # with the server open

    server = spawn(owner, name, env=env)
    server.hear()
    client = spawn(visitor, name, env=env)
    assert client.hear() == b"in"
    assert len(list(tmp_path.iterdir())) >= 2
    for process in (client, server):
        process.tell("end")
        process.wait()
    assert list(tmp_path.iterdir()) == []


def test_folder_of_another_user(root, spawn, name, tmp_path):
    folder = tmp_path / "names"
    env = {"MACHOOL_BOOTSTRAP_DIR": str(folder)}

    def stranger(name, uid):
        become(uid)
        for try_it in (machool.Client, machool.Server):
            try:
                try_it(name)
            except machool.MachError as error:
                tell(error.name)

    spawn(echo, name, env=env).hear()
    peer = spawn(stranger, name, STRANGER, env=env)
    assert peer.hear() == "BOOTSTRAP_NOT_PRIVILEGED"
    assert peer.hear() == "BOOTSTRAP_NOT_PRIVILEGED"


def test_folder_that_cannot_be_used(spawn, name, tmp_path):
    def owner(name):
        try:
            machool.Server(name)
        except machool.MachError as error:
            tell(type(error).__name__)
        hear()

    blocked = tmp_path / "file"
    blocked.write_text("")
    peer = spawn(owner, name, env={"MACHOOL_BOOTSTRAP_DIR": str(blocked / "names")})
    assert isinstance(peer.hear(), str)
