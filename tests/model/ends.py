"""How two tasks meet: what comes through the door, and becomes a channel or not."""

from __future__ import annotations

from .door import Stand, Standing
from .kernel import End, Ring
from .peer import Channel, Peer
from .port import OWN, Port


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
            self.forget_stand(stand)

    def forget_stand(self, stand: Stand) -> None:
        port = stand.port
        if port and stand.moved and self.rule("linger"):
            self.parting.append((port, self.passes))
            self.behind = True
        elif port and stand.moved:
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
            late = self.tombed(channel, stand.id) and self.rule("hello")
            if stand.port and stand.port.place is OWN and not late:
                stand.port.add(peer, 1)
                self.forget_stand(stand)
            else:
                channel.stands.append(stand)
        standing.stands = []
        self.forget(standing)
        if not self.depth:  # amid an entry another ring must not be read
            yield from self.drain(channel, 16)

    def read_stand(self, channel: Channel) -> object:
        """What an end stood for is its peer's now. What is not here waits, as a claim does."""
        stand, peer = channel.stands[0], channel.peer
        port = self.ports.get(stand.id)
        if self.tombed(channel, stand.id) and self.rule("hello"):
            if self.puzzling(channel):
                return "again"  # an acknowledgement may be in another ring
        elif port and port.place is OWN:
            port.add(peer, 1)
        else:
            if self.riddle(stand.id) and self.rule("stand") and self.puzzling(channel):
                return "again"
            if self.late(peer, port, stand.id) == "again":
                return "again"
        if not channel.closed:
            channel.stands.pop(0)
            self.forget_stand(stand)
        return None

    # ---- ends whose ports move

    def resolve(self, port: Port) -> None:
        if not self.rule("resolve"):
            return
        for channel in self.channels:
            if self.tombed(channel, port.id) and self.rule("hello"):
                continue
            for stand in [s for s in channel.stands if s.id == port.id]:
                port.add(channel.peer, 1)
                channel.stands.remove(stand)
                channel.puzzled = 0
                self.forget_stand(stand)
        self.has_come(port)
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
