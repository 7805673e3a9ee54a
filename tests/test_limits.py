"""Tight limits, as an ordinary user: shortages become errors at once, and nothing is lost."""

import os

import pytest

import machool
from peer import LIMIT, address_space, become, descriptors, hear, limit, tell

pytestmark = [pytest.mark.usefixtures("leak_guard"), pytest.mark.timeout(120)]

LARGE = 1 << 20


def receiver(name, uid):
    """Commands: ("limit", which, value, relative), ("receive", timeout), ("drop",), ("check",)."""
    become(uid)
    kept = []
    server = machool.Server(name, queue_limit=100, allow_uids=[0, uid])
    tell("ready")
    while True:
        command, *args = hear()
        if command == "limit":
            which, value, relative = args
            used = {"NOFILE": descriptors, "AS": address_space}[which]() if relative else 0
            limit(which, used + value)
            tell("limited")
        elif command == "receive":
            try:
                message = server.receive(*args)
            except machool.MachError as error:
                tell((type(error).__name__, error.name, error.hint))
            except MemoryError:
                tell(("MemoryError", "", ""))
            else:
                kept.append(message)
                tell((message.body, [len(view) for view in message.ool]))
        elif command == "drop":
            kept.clear()
            tell("dropped")
        elif command == "check":
            right = all(
                set(view[:: machool.page_size]) == {message.body[0]}
                for message in kept
                for view in message.ool
                if len(view)
            )
            tell((len(kept), right))


@pytest.fixture
def peer(spawn, name, unprivileged):
    peer = spawn(receiver, name, unprivileged, uses=[become, limit, descriptors, address_space])
    assert peer.hear() == "ready"
    return peer


@pytest.fixture
def client(peer, name):
    peer.tell(("receive", 0.05))  # answers the look-up meanwhile, if it is waited for
    with machool.Client(name, timeout=LIMIT) as client:
        peer.hear()
        client.send(b"hello")
        assert peer.ask(("receive", LIMIT)) == (b"hello", [])
        peer.ask(("drop",))
        yield client


def letter(number):
    return bytes([ord("A") + number % 50])


def region(number, size=LARGE):
    made = machool.Region(size)
    with memoryview(made) as view:
        view[:] = letter(number) * size
    return made


def test_receiver_without_descriptors(peer, client):
    """Nothing is dropped: the messages wait until there are descriptors again."""
    assert peer.ask(("limit", "NOFILE", 0, True)) == "limited"
    for number in range(20):
        client.send(letter(number), ool=region(number))
    outcome = peer.ask(("receive", LIMIT))
    refused = 0
    received = []
    while outcome[0] == "MachError" and refused < 3:
        refused += 1
        assert "RLIMIT_NOFILE" in outcome[2]
        outcome = peer.ask(("receive", LIMIT))
    assert refused == 3  # an error each time, and no hang
    assert peer.ask(("limit", "NOFILE", 200, False)) == "limited"
    while len(received) < 20:
        outcome = peer.ask(("receive", LIMIT))
        assert isinstance(outcome[0], bytes), outcome
        received.append(outcome)
    assert received == [(letter(number), [LARGE]) for number in range(20)]
    assert peer.ask(("check",)) == (20, True)


def test_receiver_with_few_descriptors(peer, client):
    """It goes on as long as it gives back what it had; received regions hold none for ever."""
    assert peer.ask(("limit", "NOFILE", 6, True)) == "limited"
    for number in range(100):
        client.send(letter(number), ool=[region(number), b"" if number % 2 else letter(number)])
        outcome = peer.ask(("receive", LIMIT))
        assert outcome == (letter(number), [LARGE, 0 if number % 2 else 1])
        assert peer.ask(("check",)) == (1, True)
        assert peer.ask(("drop",)) == "dropped"


def test_receiver_without_address_space(peer, client):
    """S58: the message comes, the part that did not fit is empty; there is room again later."""
    for number in range(3):
        client.send(letter(number), ool=region(number, 64 << 20))
    assert peer.ask(("limit", "AS", 32 << 20, True)) == "limited"
    assert peer.ask(("receive", LIMIT)) == (letter(0), [0])
    assert peer.ask(("limit", "AS", 500 << 20, True)) == "limited"
    assert [peer.ask(("receive", LIMIT)) for _ in range(2)] == [
        (letter(1), [64 << 20]),
        (letter(2), [64 << 20]),
    ]
    assert peer.ask(("drop",)) == "dropped"
    client.send(b"Z", ool=region(25))
    assert peer.ask(("receive", LIMIT)) == (b"Z", [LARGE])
    assert peer.ask(("check",)) == (1, True)


def sender(name, uid):
    """Commands: ("limit", ...), ("send", count, size, move): how it went, one word a message."""
    become(uid)
    client = machool.Client(name, timeout=30)
    client.request(ool=bytes(1 << 20))
    tell("ready")
    while True:
        command, *args = hear()
        if command == "limit":
            which, value, relative = args
            used = {"NOFILE": descriptors, "AS": address_space}[which]() if relative else 0
            limit(which, used + value)
            tell("limited")
        elif command == "send":
            count, size, kind = args
            words = []
            for number in range(count):
                source = None
                try:
                    source = bytes([65 + number % 50]) * size
                    if kind != "bytes":
                        source = machool.Region(size)
                        memoryview(source)[:] = bytes([65 + number % 50]) * size
                    move = kind == "moved"
                    client.send(bytes([65 + number % 50]), ool=machool.OOL(source, deallocate=move))
                    assert not move or source.moved
                except MemoryError:
                    words.append("MemoryError")
                except machool.MachError as error:
                    words.append("MachError" if "RLIMIT" in error.hint else str(error))
                    if kind != "bytes" and source.moved:
                        words.append("moved although it was not sent")
                else:
                    words.append("sent")
            tell(words)


@pytest.mark.parametrize("kind", ["bytes", "region", "moved"])
@pytest.mark.parametrize(("which", "room"), [("NOFILE", 0), ("NOFILE", 3), ("AS", 4 << 20)])
def test_sender_with_little(spawn, name, unprivileged, which, room, kind):
    """What it says was sent arrives whole, what it says was not does not, and it recovers."""
    with machool.Server(name, queue_limit=100, allow_uids=[unprivileged]) as server:
        peer = spawn(sender, name, unprivileged, uses=[become, limit, descriptors, address_space])
        server.receive(LIMIT).reply()
        assert peer.hear() == "ready"
        assert peer.ask(("limit", which, room, True)) == "limited"
        words = peer.ask(("send", 20, 3 << 20, kind))
        assert set(words) <= {"sent", "MachError", "MemoryError"}
        sent = [letter(number) for number, word in enumerate(words) if word == "sent"]
        for body in sent:
            message = server.receive(LIMIT)
            assert message.body == body
            assert bytes(message.ool[0]) == body * (3 << 20)
        with pytest.raises(machool.TimedOut):
            server.receive(0.05)
        assert peer.ask(("limit", "AS", 1 << 40, False)) == "limited"
        assert peer.ask(("limit", "NOFILE", 200, False)) == "limited"
        assert peer.ask(("send", 5, 3 << 20, kind)) == ["sent"] * 5
        for number in range(5):
            assert bytes(server.receive(LIMIT).ool[0]) == letter(number) * (3 << 20)


def both_ends(name, uid, which, room):
    import resource

    become(uid)
    server, client = machool.Server(name), machool.Client(name)
    data = b"x" * 300_000
    client.send(b"warm", ool=data)
    server.receive()
    ballast = bytearray(16 << 20)  # room for Python itself, once the limit has been met
    before = resource.getrlimit(getattr(resource, "RLIMIT_" + which))[0]
    limit(which, room)
    kept, failed = [], 0
    while failed < 5 and len(kept) < 3000:
        try:
            client.send(ool=data, timeout=0)
            kept.append(server.receive(timeout=0))
        except (machool.MachError, MemoryError):
            failed += 1
    del ballast
    limit(which, before)
    assert all(bytes(message.ool[0]) == data for message in kept if len(message.ool[0]))
    kept.clear()
    try:
        while True:
            server.receive(timeout=0)
    except machool.TimedOut:
        pass
    client.send(b"after", ool=data)
    assert server.receive(timeout=LIMIT).body == b"after"
    tell(failed)


@pytest.mark.parametrize(("which", "room"), [("NOFILE", 40), ("AS", 500 << 20)])
def test_both_ends_in_one_process(name, spawn, unprivileged, which, room):
    failed = spawn(both_ends, name, unprivileged, which, room, uses=(become, limit)).hear()
    assert failed in (0, 5)


def test_thousands_of_regions_kept(spawn, name, unprivileged):
    """Regions that were received hold no descriptor each: more of them than RLIMIT_NOFILE."""

    def keeper(name, uid):
        become(uid)
        limit("NOFILE", 256)
        kept = []
        with machool.Server(name, allow_uids=[0]) as server:
            tell("ready")
            for message in server:
                kept.append(message.ool[0])
                if message.has_reply_port:
                    message.reply(repr((len(kept), sum(view[0] for view in kept))).encode())

    spawn(keeper, name, unprivileged, uses=[become, limit]).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        total = 0
        for number in range(2000):
            total += number % 251
            part = bytes([number % 251]) * 200_000
            if number < 1999:
                client.send(ool=part)
            else:
                assert client.request(ool=part).body == repr((2000, total)).encode()


def test_many_regions_of_one_s_own(spawn, unprivileged):
    def owner(uid):
        become(uid)
        limit("NOFILE", 256)
        regions = [machool.Region(200_000) for _ in range(2000)]
        for number, region in enumerate(regions):
            memoryview(region)[0] = number % 251
        with machool.Port() as port:
            for number, region in enumerate(regions):
                port.send(ool=region)
                assert port.receive(0).ool[0][0] == number % 251
        tell(len(regions))

    assert spawn(owner, unprivileged, uses=[become, limit]).hear() == 2000


def test_names_at_the_limit_of_descriptors(spawn, name, unprivileged):
    def namer(name, uid):
        become(uid)
        limit("NOFILE", descriptors() + 20)
        servers = []
        try:
            while True:
                servers.append(machool.Server(f"{name}.{len(servers)}"))
        except machool.MachError as error:
            tell((len(servers) > 5, type(error).__name__, bool(error.hint)))
        servers.pop()
        with machool.Server(name):
            tell("again")
        try:
            machool.Client("com.example.nobody")
        except machool.MachError as error:
            tell(type(error).__name__)

    peer = spawn(namer, name, unprivileged, uses=[become, limit, descriptors])
    assert peer.hear() == (True, "MachError", True)
    assert peer.hear() == "again"
    assert peer.hear() == "ServiceNotFound"


def test_look_up_at_the_limit_of_descriptors(peer, spawn, name, unprivileged):
    def visitor(name, uid):
        become(uid)
        limit("NOFILE", descriptors())
        try:
            machool.Client(name)
        except machool.MachError as error:
            tell((type(error).__name__, "RLIMIT_NOFILE" in error.hint))
        limit("NOFILE", 100)
        with machool.Client(name) as client:
            client.send(b"in")
            tell("sent")
            hear()

    visitor_ = spawn(visitor, name, unprivileged, uses=[become, limit, descriptors])
    assert visitor_.hear() == ("MachError", True)
    peer.tell(("receive", LIMIT))
    assert visitor_.hear() == "sent"
    assert peer.hear() == (b"in", [])


def test_allocation_beyond_the_address_space(spawn, unprivileged):
    def greedy(uid):
        become(uid)
        limit("AS", address_space() + (100 << 20))
        kept = []
        try:
            while True:
                kept.append(machool.Region(10 << 20))
        except MemoryError:
            tell(len(kept))
        kept.clear()
        memoryview(machool.Region(10 << 20))[-1] = 1
        tell("again")

    peer = spawn(greedy, unprivileged, uses=[become, limit, address_space])
    assert 5 <= peer.hear() <= 10
    assert peer.hear() == "again"


@pytest.mark.parametrize("size", [2**62, 2**63 - 1])
def test_absurd_sizes(size):
    with pytest.raises((MemoryError, OverflowError, ValueError)):
        machool.Region(size)


def test_file_size_limit(spawn, name, unprivileged):
    """RLIMIT_FSIZE would end the process by SIGXFSZ: it must not."""

    def writer(name, uid):
        become(uid)
        with machool.Client(name, timeout=30) as client:
            limit("FSIZE", 4096)
            words = []
            for kind in ("bytes", "region", "moved"):
                source = b"x" * (3 << 20)
                if kind != "bytes":
                    source = machool.Region(3 << 20)
                    memoryview(source)[:] = b"x" * (3 << 20)
                try:
                    client.send(ool=machool.OOL(source, deallocate=kind == "moved"))
                except (machool.MachError, MemoryError):
                    words.append("error")
                else:
                    words.append("sent")
            tell(words)
            client.send(b"small", ool=b"still works")
            hear()

    with machool.Server(name, allow_uids=[unprivileged]) as server:
        peer = spawn(writer, name, unprivileged, uses=[become, limit])
        words = peer.hear()
        for _ in range(words.count("sent")):
            assert bytes(server.receive(LIMIT).ool[0]) == b"x" * (3 << 20)
        message = server.receive(LIMIT)
        assert (message.body, bytes(message.ool[0])) == (b"small", b"still works")


def test_task_that_may_not_be_looked_into(root, spawn, name, unprivileged):
    """After setuid a process is not dumpable: /proc is closed to it, and everything still works."""

    def shy(name, uid):
        become(uid, dumpable=False)
        try:
            os.close(os.open("/proc/self/pagemap", os.O_RDONLY))
        except PermissionError:
            tell("closed")
        with machool.Client(name, timeout=30) as client:
            region = machool.Region(3 << 20)
            for number in range(5):
                memoryview(region)[:] = bytes([number]) * (3 << 20)
                client.send(ool=region)
            for source in (b"y" * 300_000, b"z"):
                client.send(ool=source)
            client.send(ool=machool.OOL(region, deallocate=True))
            tell("sent")
            hear()

    with machool.Server(name, queue_limit=20, allow_uids=[unprivileged]) as server:
        peer = spawn(shy, name, unprivileged, uses=[become])
        assert peer.hear() == "closed"
        for number in range(5):
            assert bytes(server.receive(LIMIT).ool[0]) == bytes([number]) * (3 << 20)
        assert bytes(server.receive(LIMIT).ool[0]) == b"y" * 300_000
        assert bytes(server.receive(LIMIT).ool[0]) == b"z"
        assert bytes(server.receive(LIMIT).ool[0]) == bytes([4]) * (3 << 20)
        assert peer.hear() == "sent"
