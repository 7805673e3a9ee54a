"""The transports, one module each. Those whose package is not installed are left out."""

import importlib.util

from machool.bench.peer import Producer
from machool.bench.peers.fifo import Fifo
from machool.bench.peers.iceoryx import Iceoryx
from machool.bench.peers.kept import KeptSegment, SpinningSegment
from machool.bench.peers.ours import Machool
from machool.bench.peers.pipe import Pipe
from machool.bench.peers.queue import Queue
from machool.bench.peers.segment import NewSegment
from machool.bench.peers.zmq_ import Zmq, ZmqCopy

ALL: tuple[type[Producer], ...] = (
    Machool,
    KeptSegment,
    SpinningSegment,
    NewSegment,
    Pipe,
    Queue,
    Iceoryx,
    Zmq,
    ZmqCopy,
    Fifo,
)


def missing(peer: type[Producer]) -> bool:
    """Whether its package is not installed. A mere folder of that name is no package."""
    if peer.package is None:
        return False
    found = importlib.util.find_spec(peer.package)
    return found is None or found.origin is None


def installed() -> list[type[Producer]]:
    """The peers that can be measured here."""
    return [peer for peer in ALL if not missing(peer)]
