"""What ends while others hold it: services, requests, regions, messages, the interpreter."""

import gc
import threading
import weakref

import numpy as np
import pytest

import machool
from peer import LIMIT, tell


def test_shutdown_wakes_every_thread(name):
    with machool.Server(name) as server:
        ended = []

        def run():
            for _ in server:
                pass
            ended.append(1)

        threads = [threading.Thread(target=run) for _ in range(5)]
        for thread in threads:
            thread.start()
        server.shutdown()
        for thread in threads:
            thread.join(LIMIT)
        assert len(ended) == 5
        with pytest.raises(EOFError):
            server.receive(timeout=1)


def test_failing_handler_ends_the_service(name):
    def fail(message):
        raise RuntimeError(message.body)

    with machool.Server(name) as server, machool.Client(name, timeout=LIMIT) as client:
        client.send(b"trouble")
        with pytest.raises(RuntimeError, match="trouble"):
            server.serve(fail, threads=2)


def test_dropped_and_queued_requests_are_told(name):
    server = machool.Server(name)
    with machool.Client(name, timeout=LIMIT) as client:
        dropping = threading.Thread(target=lambda: server.receive(timeout=LIMIT))
        dropping.start()
        with pytest.raises(machool.PeerDied):
            client.request(b"dropped")
        dropping.join()
        closing = threading.Timer(0.05, server.close)
        closing.start()
        with pytest.raises(machool.PeerDied):
            client.request(b"queued for ever")
        closing.join()


def test_view_outlives_everything(name):
    server, client = machool.Server(name), machool.Client(name)
    client.send(ool=bytes(range(256)) * 1000)
    message = server.receive(timeout=LIMIT)
    view, gone = message.ool[0], weakref.ref(message)
    client.close()
    server.close()
    del message, client, server
    gc.collect()
    assert gone() is None
    assert bytes(view[:256]) == bytes(range(256))
    view[:] = bytes(len(view))


@pytest.mark.parametrize("view_first", [False, True])
def test_close_is_quiet(view_first):
    region = machool.Region(200_000)
    view = memoryview(region)
    stale = np.ndarray(10, np.uint8, buffer=region)  # holds a reference, but no export
    view[0] = 3
    if view_first:
        view.release()
    region.close()
    region.close()
    if not view_first:
        assert view[0] == 3
        view.release()
    assert not stale.any()  # zero pages, not a hole
    with pytest.raises(ValueError, match="closed"):
        memoryview(region)


def hold_views_at_exit():
    port = machool.Port()
    port.send(ool=[machool.Region(300_000), b"x" * 10])
    message = port.receive(timeout=LIMIT)
    machool.kept = [message, message.ool, np_view(message.ool[0]), port]
    tell("ending")


def np_view(part):
    import numpy

    return numpy.frombuffer(part, numpy.uint8)


def test_interpreter_exit_with_live_views(spawn):
    process = spawn(hold_views_at_exit, uses=(np_view,))
    assert process.hear() == "ending"
    process.done()
