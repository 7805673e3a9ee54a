"""A way to a third task: an end connected to the owner of rights that somebody passed on."""

from __future__ import annotations

from .kernel import End
from .peer import Channel, Peer
from .port import OWN, Port


class Way:
    def __init__(self, end: End | None, task: str) -> None:
        self.end = end
        self.task = task
        self.opened = self.claims = False
        self.peer: Peer | None = None
        self.gone: list[tuple[tuple[int, ...], Way]] = []
        self.taken: list[int] = []  # of those, by the way on

    def onward(self, id: int) -> Way | None:
        return next((way for ids, way in reversed(self.gone) if id in ids), None)


class Ways:
    """Those of a task; mixed into it."""

    def listen(self, way: Way, end: End | None):
        """Reads HOLD, STAY and GONE; after HOLD waits for what follows."""
        held = False
        while end and not end.closed:
            if not end.inbox:
                if not held or end.over or way.task == self.name:
                    return
                yield
                if self.world.impatient():
                    return
                continue
            kind = end.inbox[0][0]
            if kind not in ("hold", "stay", "gone"):
                return
            _, data, ends = self.kernel.receive(end, self)
            self.log("hears", kind, data, "at", end)
            held = kind == "hold"
            if kind == "gone":
                ids, owner = data
                way.gone.append((ids, Way(ends[0], owner)))

    def open_channel(self, end: End, peer: Peer) -> Channel:
        channel = self.hello(end)
        channel.peer = peer
        peer.channels.append(channel)
        self.channels.append(channel)
        return channel

    def take_end(self, way: Way):
        way.opened = True
        peer = self.peers.get(way.task)
        way.claims = peer is not None and self.channel_of(peer) is not None
        if way.claims:
            way.peer = peer
            return
        end, way.end = way.end, None
        yield
        for _ in self.world.dawdle():
            yield
        if end is None or end.other.closed:
            if end:
                self.close(end)
            return
        if peer is None:
            peer = self.peers[way.task] = Peer(way.task)
        self.open_channel(end, peer)
        yield
        if self.rule("listen"):
            yield from self.listen(way, end)
        for ids, _ in way.gone if self.rule("unclaim") else ():
            for id in ids:
                self.tell(peer, "release", (id, 1))
        way.peer = peer

    def way_claim(self, way: Way, id: int):
        own = way.task == self.name
        if own and not self.rule("round"):
            return None
        following = way.onward(id)
        if not following and (own or not way.opened):
            yield from self.listen(way, way.end)
            following = way.onward(id)
        if not following and own:
            return None  # it is on its way here; or it has come, and died
        if not following and not way.opened:
            yield from self.take_end(way)
            following = way.onward(id)
        if not following and way.claims:
            if not self.rule("end"):
                self.close(way.end)
                yield
            for _ in self.world.dawdle():
                yield
            self.tell(way.peer, "claim", (id, 0))
            yield
            if self.rule("listen"):
                yield from self.listen(way, way.end)
            following = way.onward(id)
            if following and self.rule("unclaim"):
                self.tell(way.peer, "release", (id, 1))
        if not following:
            return way.peer
        way.taken.append(id)
        return (yield from self.way_claim(following, id))

    def bring(self, way: Way, id: int):
        """The same; it may have been heard no more than its knock, of late."""
        if id in self.graves and self.rule("gone"):
            return None
        peer = self.bringer(way, id)
        left = peer and not self.channel_of(peer) and self.rule("left")
        if (not peer or left) and way.onward(id) and self.rule("knock"):
            for standing in list(self.standing):
                yield from self.read_standing(standing)
            yield from self.accept()
            peer = self.bringer(way, id)
        return peer

    def bringer(self, way: Way, id: int) -> Peer | None:
        """Who has published the port's move to this task, not read yet."""
        following = way.onward(id)
        if not following:
            return None
        if following.task != self.name or following.onward(id):
            return self.bringer(following, id)
        return self.peers.get(way.task)

    def way_take(self, way: Way, id: int, kind: str):
        port: Port | None = self.ports.get(id)
        if port and port.place is OWN:
            self.way_leave(way, id)
            return self.carry(port)
        peer = yield from self.way_claim(way, id)
        brought = not peer
        if not peer:
            peer = yield from self.bring(way, id)
        if peer is None or peer.name not in self.peers:
            self.world.seems_dead_id(self, id)
            return None
        port = self.counted(id, kind, peer)
        if port and port.peer is peer:
            port.brought |= brought
        return port

    def way_leave(self, way: Way, id: int) -> None:
        following = way.onward(id)
        if following:
            way.taken.append(id)
            self.way_leave(following, id)
        elif way.peer and not way.claims:
            self.tell(way.peer, "release", (id, 1))

    def way_close(self, way: Way) -> None:
        for ids, following in way.gone:
            for id in ids if self.rule("surplus") else ():
                if id in way.taken:
                    way.taken.remove(id)
                else:
                    self.way_leave(following, id)
            self.way_close(following)
        if way.end:
            self.close(way.end)
            way.end = None
