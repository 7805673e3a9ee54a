"""Memory that comes back: bounds, who gives it back when, and what lies do to it."""

import ast
import ctypes
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import machool
from peer import LIMIT, become, settle, tell

MIB = 1 << 20
KEYS = ["idle_bytes", "lent_bytes", "borrowed_bytes", "parked", "idle_limit", "lent_limit"]

pytestmark = [pytest.mark.usefixtures("limits", "leak_guard"), pytest.mark.timeout(120)]


@pytest.fixture
def limits():
    """What other tests left is gone; what this one sets, too, afterwards."""
    before = machool.stats()
    assert before["lent_limit"] > 0, "loans are off"
    machool.trim()
    yield
    machool.set_limits(idle_bytes=before["idle_limit"], lent_bytes=before["lent_limit"])
    machool.trim()


def keeper(name):
    """Keeps what it gets; commands are told in the body of a request."""
    kept = []
    with machool.Server(name, queue_limit=100) as server:
        tell("ready")
        for request in server:
            command = bytes(request.body)
            answer = b""
            if command == b"keep":
                kept.extend(request.ool)
                answer = " ".join(part.transport for part in request.descriptors).encode()
            elif command == b"drop":
                kept.clear()
            elif command == b"look":
                answer = repr([sorted(set(view)) for view in kept]).encode()
            elif command == b"stats":
                answer = repr(machool.stats()).encode()
            elif command == b"shmem":
                answer = repr(shmem()).encode()
            elif command == b"trim":
                machool.trim()
            elif command == b"give":
                parts = [machool.OOL(view.obj, deallocate=True) for view in kept]
                for view in kept:
                    view.release()
                kept.clear()
                request.reply(ool=parts)
                continue
            request.reply(answer)


def shmem():
    """Bytes of objects that this process has in its page table."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"RssShmem:\s*(\d+) kB", text)[1]) * 1024


@pytest.fixture
def keep(spawn):
    def start(name, **kwargs):
        peer = spawn(
            "from pathlib import Path\nimport re\n" + SOURCE + f"keeper({name!r})", **kwargs
        )
        assert peer.hear() == "ready"
        return peer

    return start


SOURCE = inspect.getsource(shmem) + inspect.getsource(keeper)


@pytest.fixture
def client(keep, name):
    keep(name)
    with machool.Client(name, timeout=LIMIT) as client:
        yield client


def asked(client, command):
    return ast.literal_eval(bytes(client.request(command).body).decode())


def filled(size, byte=7, **kwargs):
    region = machool.Region(size, **kwargs)
    with memoryview(region) as view:
        view[:] = bytes([byte]) * size
    return region


def moved(region):
    return machool.OOL(region, deallocate=True)


# --- what the program can say ---------------------------------------------------------------------


def test_stats_have_their_keys():
    stats = machool.stats()
    assert all(isinstance(stats[key], int) and stats[key] >= 0 for key in KEYS)
    assert stats["idle_limit"] == 64 * MIB
    assert stats["lent_limit"] >= 256 * MIB


def both_limits():
    stats = machool.stats()
    return stats["idle_limit"], stats["lent_limit"]


def test_limits_one_at_a_time():
    _, lent = both_limits()
    machool.set_limits(idle_bytes=5)
    assert both_limits() == (5, lent)
    machool.set_limits(lent_bytes=2**64 - 1)
    machool.set_limits(idle_bytes=None, lent_bytes=None)
    machool.set_limits()
    assert both_limits() == (5, 2**64 - 1)


@pytest.mark.parametrize("value", [-1, 2**64, 1 << 100])
@pytest.mark.parametrize("key", ["idle_bytes", "lent_bytes"])
def test_limits_out_of_range(key, value):
    before = both_limits()
    with pytest.raises(ValueError, match="limit"):
        machool.set_limits(**{key: value})
    assert both_limits() == before


def test_limits_of_other_types():
    for value in (1.5, "1", b"1"):
        with pytest.raises(TypeError):
            machool.set_limits(idle_bytes=value)
    with pytest.raises(TypeError):
        machool.set_limits(1, 2)


# --- which way it went ----------------------------------------------------------------------------


def test_loans_are_lent_borrowed_and_idle(client):
    client.request(b"keep", ool=moved(filled(3 * MIB)))
    assert 3 * MIB <= machool.stats()["lent_bytes"] <= 4 * MIB
    assert 3 * MIB <= asked(client, b"stats")["borrowed_bytes"] <= 4 * MIB
    client.request(b"drop")
    stats = machool.stats()
    assert stats["lent_bytes"] == 0
    assert stats["idle_bytes"] >= 3 * MIB
    assert asked(client, b"stats")["borrowed_bytes"] == 0
    assert asked(client, b"stats")["parked"] > 0


@pytest.mark.parametrize("off", ["here", "there"])
def test_turned_off_memory_travels_in_objects(keep, name, off):
    """Each side decides for what it sends."""
    keep(name, env={"MACHOOL_LOANS": "0"} if off == "there" else None)
    if off != "there":
        machool.set_limits(idle_bytes=0, lent_bytes=0)
    with machool.Client(name, timeout=LIMIT) as client:
        there = asked(client, b"stats")
        assert (there["lent_limit"] == there["idle_limit"] == 0) == (off == "there")
        client.request(b"keep", ool=moved(filled(3 * MIB)))
        assert (machool.stats()["lent_bytes"] > 0) == (off == "there")
        assert (asked(client, b"stats")["borrowed_bytes"] > 0) == (off == "there")
        assert client.request(b"look").body == b"[[7]]"
        (view,) = client.request(b"give").ool
        assert bytes(view) == bytes([7]) * 3 * MIB
        assert machool.stats()["borrowed_bytes"] == 0
        asked(client, b"stats")  # by then it has returned what it did not send back
        assert machool.stats()["lent_bytes"] == 0
        del view


def test_a_region_sent_again_is_shared(client):
    """Copied once where pages for that lie ready; from then on only if it has been written to."""

    def transport():
        way = client.request(b"keep", ool=region).body
        assert client.request(b"look").body == repr([[memoryview(region)[0]]]).encode()
        client.request(b"drop")
        return way

    client.request(b"keep", ool=bytes(MIB))
    client.request(b"drop")
    region = filled(MIB, 1)
    assert [transport() for _ in range(4)] == [b"lent", b"shared", b"shared", b"shared"]
    memoryview(region)[:] = b"\x02" * MIB
    assert [transport() for _ in range(2)] == [b"lent", b"lent"]


def test_moved_on_to_its_lender_it_comes_home(client):
    region = filled(3 * MIB)
    before = machool.stats()["bytes_copied"]
    for _ in range(5):
        client.request(b"keep", ool=moved(region))
        assert machool.stats()["lent_bytes"] >= 3 * MIB
        (view,) = client.request(b"give").ool
        assert (machool.stats()["lent_bytes"], machool.stats()["borrowed_bytes"]) == (0, 0)
        region = view.obj
        view.release()
    assert machool.stats()["bytes_copied"] == before
    assert set(memoryview(region)) == {7}


# --- bounds ---------------------------------------------------------------------------------------


def test_a_peer_that_never_returns_costs_the_limit(client):
    """What is above goes in sealed objects, and arrives like all else."""
    machool.set_limits(lent_bytes=4 * MIB)
    most = 0
    for number in range(20):
        source = bytes([number]) * MIB if number % 2 else moved(filled(MIB, number))
        client.request(b"keep", ool=source)
        most = max(most, machool.stats()["lent_bytes"])
    assert 3 * MIB <= most <= 4 * MIB
    assert client.request(b"look").body == repr([[number] for number in range(20)]).encode()
    client.request(b"drop")
    assert machool.stats()["lent_bytes"] == 0
    client.request(b"keep", ool=bytes(MIB))
    assert machool.stats()["lent_bytes"] >= MIB


def test_idle_memory_keeps_to_its_limit(client):
    machool.set_limits(idle_bytes=5 * MIB)
    for _ in range(20):
        client.request(b"keep", ool=bytes(MIB))
    assert machool.stats()["lent_bytes"] >= 20 * MIB
    client.request(b"drop")
    assert MIB <= machool.stats()["idle_bytes"] <= 5 * MIB
    machool.set_limits(idle_bytes=2 * MIB)
    assert machool.stats()["idle_bytes"] <= 2 * MIB


def test_more_parts_than_loans_have_numbers(client):
    parts = [bytes([number % 251]) * 70_000 for number in range(300)]
    for start in range(0, 300, 50):
        client.request(b"keep", ool=parts[start : start + 50])
    assert client.request(b"look").body == repr([[n % 251] for n in range(300)]).encode()
    client.request(b"drop")
    assert machool.stats()["lent_bytes"] == 0


@pytest.mark.parametrize("who", ["lender", "borrower"])
def test_trim_gives_everything_back(client, who):
    """The lender's frees the pages in both processes, the borrower's leaves its page table."""
    client.request(b"trim")
    here, there = shmem(), asked(client, b"shmem")
    for _ in range(16):
        client.request(b"keep", ool=moved(filled(2 * MIB)))
    client.request(b"look")
    assert asked(client, b"shmem") >= there + 32 * MIB
    client.request(b"drop")
    assert machool.stats()["idle_bytes"] >= 32 * MIB
    assert shmem() >= here + 16 * MIB
    if who == "lender":
        machool.trim()
        assert machool.stats()["idle_bytes"] == 0
        assert shmem() <= here + MIB
    else:
        client.request(b"trim")
    assert asked(client, b"shmem") <= there + MIB
    client.request(b"keep", ool=moved(filled(2 * MIB, 9)))
    assert client.request(b"look").body == b"[[9]]"


# --- what is seen of another message --------------------------------------------------------------


@pytest.mark.parametrize("size", [20_000, 300_000, 3 * MIB, 3 * MIB - 5000])
def test_recycled_regions_are_zero(client, size):
    """Write, return, allocate again, and look."""
    for _ in range(5):
        client.request(b"keep", ool=moved(filled(size, 0x77)))
        client.request(b"drop")
        region = machool.Region(size)
        with memoryview(region) as view:
            assert not any(view)
            view[:] = b"\x55" * size
        region.close()
        assert not any(memoryview(machool.Region(size // 2 + 1)))


def test_uncleared_regions_take_what_came_back(client):
    client.request(b"keep", ool=moved(filled(3 * MIB)))
    client.request(b"drop")
    idle = machool.stats()["idle_bytes"]
    region = machool.Region(3 * MIB, zeroed=False)
    assert machool.stats()["idle_bytes"] <= idle - 3 * MIB
    with memoryview(region) as view:
        assert len(view) == 3 * MIB
        view[:] = b"\x01" * (3 * MIB)
    client.request(b"keep", ool=moved(region))
    assert client.request(b"look").body == b"[[1]]"
    with pytest.raises(TypeError):
        machool.Region(100, False)


@pytest.mark.parametrize("size", [100_000, 300_000, 8 * MIB])
def test_a_stale_pointer_sees_zeros(client, size):
    """Of whatever kind: it sees nothing of what the receiver does, nor of the next message."""
    regions, stale = [], []
    for number in range(1, 6):
        region = filled(size, number)
        regions.append(region)
        stale.append(np.ndarray(shape=(size,), dtype=np.uint8, buffer=region))
        stale.append(np.frombuffer((ctypes.c_char * size).from_address(region.address), np.uint8))
        client.request(b"keep", ool=moved(region))
        assert not any(array.any() for array in stale)
    for array in stale:
        array[:] = 99
    assert client.request(b"look").body == b"[[1], [2], [3], [4], [5]]"
    client.request(b"drop")
    again = filled(size, 50)
    assert all((array == 99).all() for array in stale)
    client.request(b"keep", ool=moved(again))
    assert client.request(b"look").body == b"[[50]]"
    del stale, regions


def fill_queue(client):
    for _ in range(500):
        client.send(b"stats", timeout=0)


def test_failed_moves_leave_the_region_where_it_is(keep, name):
    """Again and again: its contents, at its address, under pointers of any kind."""
    peer = keep(name)
    region = filled(3 * MIB)
    address = region.address
    stale = np.ndarray(shape=(3 * MIB,), dtype=np.uint8, buffer=region)
    with machool.Client(name, timeout=LIMIT) as client:
        client.request(b"stats")
        peer.stop()
        with pytest.raises(machool.TimedOut):
            fill_queue(client)
        for number in range(50):
            stale[:] = number
            with pytest.raises(machool.TimedOut):
                client.send(b"keep", ool=moved(region), timeout=0)
            assert not region.moved
            assert region.address == address
            with memoryview(region) as view:
                assert set(view[::100]) == {number}
            assert stale[0] == stale[-1] == number
            assert machool.stats()["lent_bytes"] == 0
        peer.kill()
        with pytest.raises(machool.PeerDied):
            client.request(timeout=LIMIT)
        with pytest.raises(machool.PeerDied):
            client.send(ool=moved(region))
    assert (region.address, region.moved, stale.min(), stale.max()) == (address, False, 49, 49)


@pytest.mark.parametrize("size", [20_000, 300_000, 3 * MIB])
@pytest.mark.parametrize("copy", [machool.VIRTUAL_COPY, machool.PHYSICAL_COPY])
def test_what_could_not_move_stays_when_it_is_sent_as_a_copy(keep, names, size, copy):
    """What was given up for a send that came to nothing has not been for the next one."""
    dead, alive = names(), names()
    peer = keep(dead)
    keep(alive)
    with (
        machool.Client(dead, timeout=LIMIT) as first,
        machool.Client(alive, timeout=LIMIT) as second,
    ):
        region = filled(size)
        first.request(b"stats")
        second.request(b"stats")
        peer.kill()
        with pytest.raises(machool.PeerDied):
            first.request(timeout=LIMIT)
        for _ in range(3):
            with pytest.raises(machool.PeerDied):
                first.send(ool=machool.OOL(region, deallocate=True, copy=copy))
            assert not region.moved
            second.request(b"keep", ool=region)
            with memoryview(region) as view:
                assert set(view) == {7}
        assert second.request(b"look").body == b"[[7], [7], [7]]"
        second.request(b"keep", ool=moved(region))
        assert region.moved


@pytest.mark.usefixtures("root")
def test_nothing_is_lent_to_another_user(spawn, name):
    """Nor borrowed: what is mapped in two tasks is for tasks that could reach each other anyway."""

    def foreign(name, uid):
        become(uid)
        with machool.Server(name, allow_uids=[0, uid]) as server:
            tell("ready")
            for request in server:
                tell((sorted(set(request.ool[0])), machool.stats()["borrowed_bytes"]))
                request.ool[0][:] = b"\x09" * len(request.ool[0])
                request.reply(ool=machool.OOL(filled(len(request.ool[0])), deallocate=True))
                tell(machool.stats()["lent_bytes"])

    peer = spawn(foreign, name, 65534, uses=[become, filled])
    assert peer.hear() == "ready"
    with machool.Client(name, timeout=LIMIT) as client:
        for size in (20_000, 300_000, 3 * MIB):
            for _ in range(6):
                region = filled(size, 8)
                reply = client.request(ool=moved(region))
                assert peer.hear() == ([8], 0)
                assert set(reply.ool[0]) == {7}
                assert peer.hear() == 0
                stats = machool.stats()
                assert (stats["lent_bytes"], stats["borrowed_bytes"]) == (0, 0)
                del reply


# --- lies -----------------------------------------------------------------------------------------

LANES = Path(__file__).resolve().parent.parent / "csrc/mach/wire/wire_lane.h"
SEGMENTS = int(re.search(r"#define LANE_SEGMENTS (\d+)", LANES.read_text())[1])


def ask_for_ever(client):
    while True:
        client.request(ool=bytes(MIB))


def liar(name, segments, first):
    """Says of all loans of all channels that they are back: wire_lane.c has the layout."""
    import ctypes

    kept = []
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            kept.extend(request.ool)
            if request.body == b"lie":
                loans = 3 * 64 + segments * 128
                with open("/proc/self/maps") as maps:
                    lines = list(maps)
                for line in lines:
                    if "memfd:machool:lane" in line:
                        base = int(line.split("-")[0], 16)
                        for direction in range(2):
                            at = base + direction * (loans + 64) + loans
                            ctypes.memset(at + 32 * (not first), 0xFF, 32)
            request.reply()


@pytest.mark.parametrize("first", [True, False], ids=["returned", "kept"])
def test_a_peer_that_lies_breaks_its_own_channel(spawn, names, keep, first):
    false, honest = names(), names()
    spawn(liar, false, SEGMENTS, first).hear()
    keep(honest)
    held = filled(3 * MIB)
    with (
        machool.Client(false, timeout=LIMIT) as bad,
        machool.Client(honest, timeout=LIMIT) as good,
    ):
        good.request(b"keep", ool=moved(filled(MIB, 1)))
        bad.request(b"", ool=moved(filled(MIB, 2)))
        bad.request(b"lie", ool=bytes(MIB))
        with pytest.raises(machool.PeerDied):
            ask_for_ever(bad)
        assert not bad.closed
        good.request(b"keep", ool=moved(filled(MIB, 3)))
        assert good.request(b"look").body == b"[[1], [3]]"
        assert machool.stats()["lent_bytes"] >= 2 * MIB
        good.request(b"keep", ool=moved(held))
        good.request(b"drop")
        settle({"channels": 1})
        assert machool.stats()["lent_bytes"] == 0
