"""How two tasks meet: what comes through the door, and becomes a channel or not."""

from __future__ import annotations

from .door import Stand, Standing
from .kernel import End, Ring
from .peer import Channel, Peer
from .port import OWN, REMOTE, Port

PATIENT_LOOKS = 200


class Ends:
    """Mixed into a task."""

    def hello(self, end: End) -> Channel:
        out, into = Ring(), Ring()
        self.kernel.send(end, "hello", (self.name, into, out))
        return Channel(end, out, into)

    def accept(self):
        while (end := self.kernel.accept(self.name, self)) is not None:
            standing = Standing(end)
            self.standing.append(standing)
            yield from self.read_standing(standing)

    def read_standing(self, standing: Standing):
        while standing in self.standing:
            end = standing.end
            if not end.inbox:
                if end.over:
                    self.log("loses", standing)
                    self.close(end)
                    self.forget(standing)
                return
            yield
            kind, data, _ = self.kernel.receive(end, self)
            self.log("reads", kind, data, "at", end)
            if kind == "intro":
                self.introduced(standing, data)
            elif kind == "hello":
                yield from self.becomes_channel(standing, *data)
            else:
                self.world.fail("an end hears", kind)

    def introduced(self, standing: Standing, ids: tuple[int, ...]) -> None:
        for id in ids:
            port = self.ports.get(id)
            if port and port.place is not OWN:
                port = None
            if port:
                port.pending += 1
            standing.stands.append(Stand(id, port))

    def forget(self, standing: Standing) -> None:
        self.standing.remove(standing)
        if standing.onward:
            self.close(standing.onward)
        for stand in standing.stands:
            port = stand.port
            if port and stand.moved:
                self.drop(port)
            elif port:
                port.pending -= 1
                self.dropped(port)

    def becomes_channel(self, standing: Standing, name: str, out: Ring, into: Ring):
        peer = self.peers.get(name)
        if peer is None:
            peer = self.peers[name] = Peer(name)
        if standing.held:
            self.kernel.send(standing.end, "stay")
        channel = Channel(standing.end, out, into)
        channel.peer = peer
        peer.channels.append(channel)
        self.channels.append(channel)
        for stand in standing.stands:
            yield from self.becomes_right(stand, peer)
        if not channel.closed:
            yield from self.drain(channel, 16)
        self.forget(standing)

    def becomes_right(self, stand: Stand, peer: Peer):
        if stand.port and stand.port.place is OWN:
            stand.port.add(peer, 1)
            return
        if not stand.port or stand.port.place is REMOTE:
            yield from self.read_others()
        result = yield from self.give_right(peer, stand.id)
        for _ in range(PATIENT_LOOKS):
            if result != "again":
                break
            yield
            yield from self.read_others()
            result = yield from self.give_right(peer, stand.id)
        if result == "again":
            self.tell(peer, "dead", (stand.id, 0))

    def give_right(self, peer: Peer, id: int):
        port = self.ports.get(id)
        if not port or port.place is not OWN:
            return (yield from self.late(peer, port, id))
        port.add(peer, 1)
        return None

    # ---- ends whose ports move

    def resolve(self, port: Port) -> None:
        if not self.rule("resolve"):
            return
        for standing in self.standing:
            for stand in standing.stands:
                if stand.port is None and stand.id == port.id:
                    stand.port = port
                    port.pending += 1

    def hold(self):
        any = False
        for standing in list(self.standing):
            if standing.held or not any_moves(standing):
                continue
            yield
            if standing in self.standing:
                self.kernel.send(standing.end, "hold")
                any = standing.held = True
        return any

    def prepare_ends(self, owner: Peer) -> bool:
        for standing in self.standing:
            ids = moving_ids(standing)
            if not standing.held or not ids:
                continue
            standing.onward = self.kernel.connect(owner.name, self)
            if standing.onward is None:
                return False
            self.kernel.send(standing.onward, "intro", ids)
        return True

    def say_gone(self, owner: str):
        for standing in list(self.standing):
            if not standing.held:
                continue
            ids = moving_ids(standing)
            for stand in standing.stands:
                if stand.moves:
                    stand.moved = True
                    stand.port.local += 1
                    stand.port.pending -= 1
            standing.held = False
            onward, standing.onward = standing.onward, None
            if ids:
                self.kernel.send(standing.end, "gone", (ids, owner), (onward,))
            else:
                self.kernel.send(standing.end, "stay")
            yield

    def say_stay(self) -> None:
        for standing in self.standing:
            if not standing.held:
                continue
            self.kernel.send(standing.end, "stay")
            if standing.onward:
                self.close(standing.onward)
            standing.onward = None
            standing.held = False


def any_moves(standing: Standing) -> bool:
    return any(stand.moves for stand in standing.stands)


def moving_ids(standing: Standing) -> tuple[int, ...]:
    return tuple(stand.id for stand in standing.stands if stand.moves)
