"""Words set aside: of those who came with a right to what has moved on.

A ring that stood at such a word, while the port's owner makes a cut, would keep what stands
behind it from being read, and that may be what ends the cut. So the word is set aside with a right
to the port, and looked at again after each pass: until it can be answered, the port comes, or it
dies. The answer is the one that holders get, after a cut of the peer's rings: what the peer has
sent here on the strength of its right has gone on before, or is sent again.
"""

from __future__ import annotations

from .kernel import End
from .move import Holder
from .peer import Peer
from .port import REMOTE, Port


class Asides:
    """Mixed into a task. `peer.asides` has a port, carried, for each such word."""

    def set_aside(self, peer: Peer, port: Port) -> None:
        self.log("sets aside", port, "of", peer)
        self.world.counts["set aside"] += 1
        peer.asides.append(self.carry(port))

    def forget_aside(self, peer: Peer, port: Port) -> None:
        peer.asides.remove(port)
        self.drop(port)

    def given_back(self, peer: Peer, id: int, count: int) -> None:
        for port in [port for port in peer.asides if port.id == id][:count]:
            self.forget_aside(peer, port)
            self.maybe_bye(peer)

    def has_come(self, port: Port) -> None:
        """The port is here: whoever waited for a word about it holds it."""
        for peer in self.peers.values():
            while port in peer.asides:
                port.add(peer, 1)
                self.forget_aside(peer, port)

    def settling(self, port: Port) -> bool:
        """Its owner makes a cut: it may not hear of the right before it passes the port on."""
        owner = self.channel_of(port.peer)
        return owner is not None and self.sees_cut(owner) and self.rule("witness")

    def may_answer(self, peer: Peer, port: Port) -> bool:
        if port not in peer.asides or port.place is not REMOTE or not self.channel_of(peer):
            return False
        if port.brought or self.settling(port):
            return False
        passed_on = not any(post.destination.port is port for post in self.posts)
        return passed_on and not any(c.unread or c.sees_cut for c in peer.channels)

    def answer_asides(self):
        if self.moving or self.depth:
            return
        for peer in list(self.peers.values()):
            for port in dict.fromkeys(peer.asides):
                if port.place is REMOTE and self.may_answer(peer, port):
                    yield from self.answer(peer, port)
                elif port.place is not REMOTE and port in peer.asides:
                    self.tell(peer, "dead", (port.id, 0))
                    self.forget_aside(peer, port)

    def answer(self, peer: Peer, port: Port):
        """A move of nothing, for one holder."""
        self.moving = True
        self.carry(port)
        cut = list(peer.channels)
        for channel in cut:
            yield
            self.set_cut(channel)
        yield from self.one_pass(True)
        end: End | None = None
        good = cut == peer.channels and self.may_answer(peer, port)
        if good and port.peer is not peer:
            end = self.kernel.connect(port.peer.name, self)
            good = end is not None
        if end:
            self.kernel.send(end, "intro", (port.id,))
            yield
            good = port.place is REMOTE and not self.settling(port)
        if good:
            yield from self.tell_where(peer, port, end)
        else:
            yield from self.whole_again(cut)
            if end:
                self.close(end)
        self.drop(port)
        self.moving = False

    def tell_where(self, peer: Peer, port: Port, end: End | None):
        self.serial += 1
        self.world.counts["answered"] += 1
        owner, last = port.peer.name, port.peer.last
        after = (last.out, last.published) if last and not last.closed else None
        peer.tombs.append((self.serial, [port]))
        port.tombs += 1
        self.carry(port)
        while port in peer.asides:
            self.forget_aside(peer, port)
        for channel in list(peer.channels):
            holder = Holder(channel, [port], self.primary(channel))
            if holder.primary and end:
                holder.token = self.send_ends(channel, [end])
            yield
            self.tell_moved(holder, owner, after)
