"""Every size and every offset arrives exactly."""

import hashlib
import itertools
import mmap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import machool
from peer import LIMIT, Peer, hear, tell

pytestmark = pytest.mark.usefixtures("each_transport_long", "leak_guard")


PAGE = machool.page_size
SIZES = [
    0,
    1,
    2,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    2 * PAGE,
    (64 << 10) - 1,
    64 << 10,
    (64 << 10) + 1,
    1 << 20,
    (1 << 20) + 1,
    64 << 20,
]
PHYSICAL_MOST = 7 << 20
"""Bytes of one message that may ask for a physical copy (S23)."""
COPIES = [machool.VIRTUAL_COPY, machool.PHYSICAL_COPY]


def pattern(size):
    """Bytes that tell every offset from its neighbours."""
    line = b"".join(number.to_bytes(4, "little") for number in range(1 << 12))
    return (line * (size // len(line) + 1))[:size]


def digests(name):
    """Answers with the size and digest of every part, and sends the parts back."""
    import hashlib

    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            seen = [(len(view), hashlib.sha1(view).hexdigest()) for view in request.ool]
            request.reply(repr(seen).encode(), ool=request.ool)


@pytest.fixture(scope="module")
def client():
    name = f"com.example.test.sizes.{id(digests)}"
    peer = Peer(digests, name)
    assert peer.hear() == "ready"
    with machool.Client(name, timeout=LIMIT) as client:
        client.request()  # makes the port for answers, which is kept
        yield client
    peer.close()


def seen_of(*parts):
    return repr([(len(part), hashlib.sha1(part).hexdigest()) for part in parts]).encode()


def there_and_back(client, *parts, expected):
    reply = client.request(ool=parts)
    assert bytes(reply.body) == seen_of(*expected)
    assert [len(view) for view in reply.ool] == [len(part) for part in expected]
    assert [d.size for d in reply.descriptors] == [len(part) for part in expected]
    assert all(view == part for view, part in zip(reply.ool, expected, strict=True))
    return reply


@pytest.mark.parametrize(
    ("size", "copy"),
    [(n, copy) for n in SIZES for copy in COPIES if n <= PHYSICAL_MOST or copy == COPIES[0]],
)
@pytest.mark.parametrize("kind", ["region", "bytes"])
def test_sizes(client, kind, size, copy):
    data = pattern(size)
    part = data
    if kind == "region":
        part = machool.Region(size)
        with memoryview(part) as view:
            view[:] = data
    reply = there_and_back(client, machool.OOL(part, copy=copy), expected=[data])
    if size == 0:
        assert reply.descriptors[0].address == 0


@pytest.mark.parametrize("size", SIZES)
def test_moved_sizes(client, size):
    region, data = machool.Region(size), pattern(size)
    with memoryview(region) as view:
        view[:] = data
    there_and_back(client, machool.OOL(region, deallocate=True), expected=[data])
    assert region.moved


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 1000, 1024, 5000, 70_000, 1 << 20])
def test_body_sizes(client, size):
    assert client.request(pattern(size)).id == 0


def echo_bodies(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            request.reply(request.body)


def test_bodies_are_exact(spawn, name):
    spawn(echo_bodies, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        for size in [*range(70), 1023, 1024, 1025, 4095, 4097, 65_535, 65_537, 1_000_003]:
            body = client.request(pattern(size)).body
            assert len(body) == size
            assert bytes(body) == pattern(size)


def test_many_parts_of_one_message(client):
    parts = [pattern(size) for size in (0, 1, 5000, 0, 100_000, PAGE, 300_000, 17)]
    reply = there_and_back(client, *parts, expected=parts)
    used = [(d.address, d.address + d.size) for d in reply.descriptors if d.size]
    used.sort()
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(used))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_offset_and_size(client, data):
    """S43, S44, S71: the bytes asked for, and no others in their pages."""
    total = 6 * PAGE
    source = data.draw(st.sampled_from(["mmap", "region", "bytes"]))
    start = data.draw(st.integers(0, total))
    size = data.draw(st.integers(0, total - start))
    copy = data.draw(st.sampled_from(COPIES))
    contents = pattern(total)
    if source == "bytes":
        whole = contents
    else:
        whole = mmap.mmap(-1, total) if source == "mmap" else machool.Region(total)
        with memoryview(whole) as view:
            view[:] = contents
    with memoryview(whole) as view, view[start : start + size] as part:
        reply = there_and_back(
            client, machool.OOL(part, copy=copy), expected=[contents[start : start + size]]
        )
    if size:
        address = reply.descriptors[0].address
        assert neighbours(address, size) == {0}


def neighbours(address, size):
    """The bytes around a received part, in its own first and last page (S45)."""
    import ctypes

    first, last = address // PAGE * PAGE, -(-(address + size) // PAGE) * PAGE
    before = ctypes.string_at(first, address - first)
    after = ctypes.string_at(address + size, last - address - size)
    return set(before + after) | {0}


@pytest.mark.parametrize("size", [300_000, 1 << 20, (1 << 20) + 5])
@pytest.mark.parametrize("offset", [0, 1, 4095, 4097])
def test_part_of_a_region(client, size, offset):
    """S71: a part of a region brings nothing else of it."""
    data = pattern(offset + size + 100)
    region = machool.Region(len(data))
    with memoryview(region) as view:
        view[:] = data
        with view[offset : offset + size] as part:
            reply = there_and_back(client, part, expected=[data[offset : offset + size]])
    assert neighbours(reply.descriptors[0].address, size) == {0}


def test_untouched_memory_is_zeros(client):
    """S75."""
    region = machool.Region(5 << 20)
    there_and_back(client, region, expected=[bytes(5 << 20)])


def test_S23_physical_copies_have_a_bound(client):
    """More of it is refused, and nothing is sent; a virtual copy has no such bound."""
    region = machool.Region(PHYSICAL_MOST + 1)
    with pytest.raises(machool.MachError) as caught:
        client.request(ool=machool.OOL(region, copy=machool.PHYSICAL_COPY))
    assert caught.value.code == machool.mach.MACH_MSG_VM_KERNEL
    del caught
    there_and_back(client, region, expected=[bytes(PHYSICAL_MOST + 1)])


@pytest.mark.parametrize("size", [(4 << 30), (4 << 30) + 1])
def test_more_than_a_descriptor_holds(client, size):
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE) as large:
        with pytest.raises(ValueError, match="4 GiB"):
            client.request(ool=large)


# --- big ------------------------------------------------------------------------------------------


def corners(name):
    """Looks at the first and last bytes and at one byte of every page, writes, and answers."""
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            (view,) = request.ool
            answer = (len(view), view[0], view[-1], sum(view[:: machool.page_size]) & 0xFFFF)
            view[0] = view[-1] = 99
            del view
            request.reply(repr(answer).encode())
            del request


@pytest.mark.big
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("moved", [False, True], ids=["kept", "moved"])
@pytest.mark.parametrize("size", [1 << 30, (2 << 30) + 1, (4 << 30) - 1])
def test_gigabytes(spawn, name, available_memory, size, moved):
    if available_memory < 3 * size:
        pytest.skip(f"wants {3 * size >> 30} GiB of free memory")
    spawn(corners, name).hear()
    region = machool.Region(size)
    with memoryview(region) as view:
        view[0], view[-1] = 1, 2
        step = PAGE * 1024
        for start in range(step, size - PAGE, step):  # one page in a thousand is touched
            view[start] = 3
        total = 1 + 3 * len(range(step, size - PAGE, step)) + (2 if (size - 1) % PAGE == 0 else 0)
    with machool.Client(name, timeout=100.0) as client:
        reply = client.request(ool=machool.OOL(region, deallocate=moved))
    assert bytes(reply.body) == repr((size, 1, 2, total & 0xFFFF)).encode()
    assert region.moved == moved
    if not moved:
        with memoryview(region) as view:
            assert (view[0], view[-1]) == (1, 2)


def test_peer_is_told_when_the_test_is_done(spawn):
    """Of the tests' own machinery: hear() ends a peer, and PeerEnded says that it did."""

    def idle():
        tell("here")
        hear()

    peer = spawn(idle)
    assert peer.hear() == "here"
    peer.done()
