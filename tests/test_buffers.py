"""Whatever has a buffer can be sent, as it is, and stays held until it has been."""

import array
import ctypes
import gc
import mmap
import os
import threading
import weakref

import numpy as np
import pytest

import machool
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")

DATA = bytes(range(256)) * 300


def echo(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            request.reply(request.body, ool=request.ool)


@pytest.fixture
def client(spawn, name):
    spawn(echo, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        client.request()
        yield client


def mapped():
    memory = mmap.mmap(-1, len(DATA))
    memory[:] = DATA
    return memory


def mapped_read_only(folder):
    path = folder / "data"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


def region():
    made = machool.Region(len(DATA))
    memoryview(made)[:] = DATA
    return made


SOURCES = {
    "bytes": lambda folder: DATA,
    "bytearray": lambda folder: bytearray(DATA),
    "memoryview": lambda folder: memoryview(DATA),
    "memoryview of a part": lambda folder: memoryview(b"..." + DATA + b"...")[3:-3],
    "memoryview of ints": lambda folder: memoryview(DATA).cast("I"),
    "memoryview, two dimensions": lambda folder: memoryview(DATA).cast("B", [300, 256]),
    "array of doubles": lambda folder: array.array("d", DATA),
    "ctypes array": lambda folder: (ctypes.c_char * len(DATA)).from_buffer_copy(DATA),
    "mmap": lambda folder: mapped(),
    "mmap of a file, read-only": mapped_read_only,
    "Region": lambda folder: region(),
    "numpy bytes": lambda folder: np.frombuffer(DATA, np.uint8),
    "numpy floats, C order": lambda folder: np.frombuffer(DATA, ">f8").reshape(96, -1),
    "numpy structure": lambda folder: np.frombuffer(DATA, [("a", "<i4"), ("b", "<i4")]),
    "numpy part of a row": lambda folder: np.frombuffer(DATA + DATA, np.uint8)[: len(DATA)],
}


@pytest.mark.parametrize("kind", SOURCES)
def test_ool(client, kind, tmp_path):
    source = SOURCES[kind](tmp_path)
    for ool in (source, [source], machool.OOL(source), (machool.OOL(source, copy=0),)):
        (view,) = client.request(ool=ool).ool
        assert (view.format, view.itemsize, view.ndim, len(view)) == ("B", 1, 1, len(DATA))
        assert view == DATA


@pytest.mark.parametrize("kind", SOURCES)
def test_body(client, kind, tmp_path):
    assert client.request(SOURCES[kind](tmp_path)).body == DATA


def test_empty_buffers(client):
    for empty in (b"", bytearray(), machool.Region(0), np.zeros((0, 3)), memoryview(b"")):
        reply = client.request(empty, ool=[empty, b"x", empty])
        assert reply.body == b""
        assert [len(view) for view in reply.ool] == [0, 1, 0]
        assert [bytes(view) for view in reply.ool] == [b"", b"x", b""]


GAPS = {
    "memoryview with a step": lambda: memoryview(DATA)[::2],
    "memoryview backwards": lambda: memoryview(DATA)[::-1],
    "numpy column": lambda: np.zeros((10, 10))[:, 1],
    "numpy transposed": lambda: np.zeros((10, 12)).T,
    "numpy Fortran order": lambda: np.zeros((10, 12), order="F"),
    "numpy broadcast": lambda: np.broadcast_to(np.zeros(3), (5, 3)),
}


@pytest.mark.parametrize("kind", GAPS)
def test_gaps_are_refused(client, kind):
    source, before = GAPS[kind](), machool.stats()["messages_sent"]
    for send in (
        lambda: client.send(ool=source),
        lambda: client.send(ool=[b"good", machool.OOL(source)]),
        lambda: client.request(source),
        lambda: client.request(ool=[source, source]),
    ):
        with pytest.raises(BufferError, match="contiguous"):
            send()
    assert machool.stats()["messages_sent"] == before


@pytest.mark.parametrize("bad", [1, None, "text", object(), [1, 2], {"a": 1}], ids=repr)
def test_what_is_no_buffer(client, bad):
    before = machool.stats()["messages_sent"]
    with pytest.raises(TypeError):
        machool.OOL(bad)
    with pytest.raises(TypeError):
        client.send(ool=[bad])
    if bad is not None:
        with pytest.raises(TypeError):
            client.send(bad)
    assert machool.stats()["messages_sent"] == before


def test_failure_in_the_midst_releases_all(client):
    """A bad part after good ones: the good ones are let go, none is sent."""
    first, second = bytearray(DATA), machool.Region(5000)
    for bad in ("text", memoryview(DATA)[::2], machool.OOL(second, deallocate=True)):
        view = memoryview(second)
        with pytest.raises((TypeError, BufferError)):
            client.send(ool=[first, second, bad])
        view.release()
        first.append(1)  # BufferError if an export were still held
        first.pop()
    client.send(ool=machool.OOL(second, deallocate=True))
    assert second.moved


@pytest.mark.parametrize("release", ["success", "time-out"])
def test_export_is_held_for_the_whole_send(spawn, name, release):
    def slow(name):
        with machool.Server(name) as server:
            tell("ready")
            while hear() == "take":
                tell(len(server.receive().ool))

    peer = spawn(slow, name)
    peer.hear()
    data = bytearray(300_000)
    part, region = machool.OOL(data), machool.Region(300_000)
    with machool.Client(name) as client:
        for _ in range(5):
            client.send()
        outcome = []

        def send():
            try:
                client.send(
                    data, ool=[part, region], timeout=LIMIT if release == "success" else 0.5
                )
            except machool.TimedOut:
                outcome.append("time-out")
            else:
                outcome.append("success")

        thread = threading.Thread(target=send)
        thread.start()
        held = False
        while not held and thread.is_alive():
            try:
                data.append(1)
                data.pop()
            except BufferError:
                held = True
        assert held
        with pytest.raises(BufferError):
            client.send(ool=machool.OOL(region, deallocate=True), timeout=0)
        if release == "success":
            assert peer.ask("take") == 0
        thread.join()
        assert outcome == [release]
        data.append(1)  # let go


def test_an_OOL_can_be_sent_again(client):
    data = bytearray(b"1" * 100_000)
    part = machool.OOL(data)
    for number in range(3):
        data[:] = str(number).encode() * 100_000
        assert bytes(client.request(ool=part).ool[0]) == data
    assert part.buffer is data
    assert (part.copy, part.deallocate) == (machool.VIRTUAL_COPY, False)


def test_an_OOL_holds_its_buffer(client):
    class Array(np.ndarray):
        pass

    source = np.zeros(100_000, np.uint8).view(Array)
    gone = weakref.ref(source)
    part = machool.OOL(source)
    del source
    gc.collect()
    assert gone() is not None
    assert len(client.request(ool=part).ool[0]) == 100_000
    del part
    gc.collect()
    assert gone() is None


def test_exporter_in_python(client):
    """Python classes that export a buffer (3.12 and later) get it back after the send."""
    if not hasattr(memoryview, "__buffer__"):
        pytest.skip("needs __buffer__ in Python classes: Python 3.12")
    log = []

    class Exporter:
        def __buffer__(self, flags):
            log.append("get")
            return memoryview(DATA)

        def __release_buffer__(self, view):
            log.append("release")

    assert bytes(client.request(ool=Exporter()).ool[0]) == DATA
    assert log == ["get", "release"]


def test_many_parts(client):
    parts = [str(number).encode() * (number * 40) for number in range(200)]
    assert [bytes(view) for view in client.request(ool=parts).ool] == parts


def test_generators_and_other_sequences(client):
    assert len(client.request(ool=(bytes([n]) for n in range(5))).ool) == 5
    assert len(client.request(ool={b"a": 1, b"b": 2}).ool) == 2
    assert client.request(ool=[]).ool == ()


def test_truncated_file_is_a_code(client, tmp_path):
    """S20: memory that cannot be read gives an error, never a signal."""
    path = tmp_path / "short"
    path.write_bytes(bytes(1 << 20))
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 1 << 20)
        os.ftruncate(file.fileno(), 5000)
        with pytest.raises(machool.InvalidMemory) as caught:
            client.send(ool=memory)
        assert caught.value.code == machool.mach.MACH_SEND_INVALID_MEMORY
        os.ftruncate(file.fileno(), 1 << 20)
        assert bytes(client.request(ool=memory).ool[0]) == bytes(1 << 20)
        memory.close()


def test_received_views_can_be_written_and_sent_on(client):
    view = client.request(ool=DATA).ool[0]
    view[:3] = b"new"
    array = np.frombuffer(view, np.uint8)
    array[3] = 7
    assert bytes(client.request(ool=array).ool[0][:4]) == b"new\x07"
    assert bytes(client.request(ool=view[1:3]).ool[0]) == b"ew"


def test_readonly_on_request(client):
    view = client.request(ool=DATA, readonly=True).ool[0]
    assert view.readonly
    assert view.obj.readonly
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises((BufferError, TypeError)):
        (ctypes.c_char * 10).from_buffer(view)
    assert not np.frombuffer(view, np.uint8).flags.writeable
    assert bytes(client.request(ool=view).ool[0]) == DATA
