"""The side of those who hold rights to a port that moves."""

from __future__ import annotations

from .engine import AGAIN, Steps
from .move import Arrive, Moved
from .peer import Channel, Peer
from .port import REMOTE, Port
from .transit import Letter
from .way import Way

PATIENT_LOOKS = 200


class Holding(Arrive):
    def acknowledged(self, channel: Channel, serial: int) -> None:
        peer = channel.peer
        while peer.tombs and peer.tombs[0][0] <= serial:
            self.lift(peer.tombs.pop(0)[1])
        if not channel.closed:
            self.maybe_bye(peer)

    # ---- a cut is seen

    def move_wait(self, channel: Channel) -> Steps:
        """Before publishing: "restart", or AGAIN while the cut lasts."""
        for _ in range(PATIENT_LOOKS):
            if not self.sees_cut(channel):
                break
            yield from self.look_peer(channel)
            yield
        return AGAIN if self.sees_cut(channel) else "restart"

    def move_settle(self, channel: Channel, letter: Letter) -> Steps:
        """After publishing: None, or "restart": it came too late."""
        channel.unsettled = channel.published
        channel.unsettled_ids = {letter.destination}
        if self.rule("home"):
            channel.unsettled_ids |= set(letter.homes)
        channel.missed, channel.missed_by = False, 0
        while self.sees_cut(channel) and not channel.ended:
            yield from self.look_peer(channel)
            if channel.closed or not self.sees_cut(channel):
                break
            self.read_socket(channel)
            yield
        channel.unsettled = 0
        return "restart" if channel.missed and self.rule("resend") else None

    # ---- MOVED

    def reroute(self, port: Port, old: Peer, new: Peer) -> None:
        port.grants.pop(old, None)
        port.slot_channel = None
        port.hops += 1
        port.peer = new
        port.brought = False
        port.add(new, 1)

    def held_of(self, peer: Peer, id: int) -> Port | None:
        port = self.ports.get(id)
        return port if port and port.place is REMOTE and port.peer is peer else None

    def forget_debt(self, old: Peer, id: int) -> None:
        """It leads to another owner already: what the old one counted is counted no more."""
        port = self.ports.get(id)
        if port and port.place is REMOTE and port.peer is not old and self.rule("debt"):
            port.grants.pop(old, None)

    def follow(self, old: Peer, way: Way, moved: Moved) -> Steps:
        taken = []
        for id in moved.ids:
            port = self.held_of(old, id)
            new = None
            if port:
                new = yield from self.way_claim(way, id)
                brought = not new
                new = new or (yield from self.bring(way, id))
            if new:
                self.reroute(port, old, new)
                port.brought = brought
                taken.append(id)
                if moved.after and new.name == moved.owner and self.rule("passed"):
                    self.tell(new, "after", moved.after)
            elif port:
                self.die(port)
            else:
                self.forget_debt(old, id)
        for id in moved.ids:
            if id not in taken and self.rule("back"):
                self.way_leave(way, id)

    def mark_missed(self, channel: Channel, moved: Moved) -> None:
        """What the first of these moves finds unread; a channel that it does not know is that."""
        late = next((c for c in channel.peer.channels if c.unsettled), None)
        if not moved.serial or not late or late.unsettled_ids.isdisjoint(moved.ids):
            return
        if 0 < late.missed_by < moved.serial:
            return
        if channel is late or late.missed_by != moved.serial:
            late.missed = channel is not late or late.unsettled > moved.read
        late.missed_by = moved.serial

    def hear_moved(self, channel: Channel, moved: Moved) -> Steps:
        old = channel.peer
        ahead = not moved.way and any(self.held_of(old, id) for id in moved.ids)
        if ahead and self.puzzling(channel):
            return AGAIN  # until the channel that tells the way has been read
        way = Way(None, moved.owner)
        way.opened = True
        if moved.token:
            way = Way(self.take_ends(channel, moved.token)[0], moved.owner)
        self.log("reads moved", moved, "of", old)
        if moved.serial and moved.way:
            by = self.channel_of(old)
            if by or self.rule("done"):  # before what follows from it
                self.publish(by or channel, "ack", moved.serial)
        self.mark_missed(channel, moved)
        channel.cut_known = moved.cut
        if moved.way:
            yield from self.follow(old, way, moved)
        self.way_close(way)
        self.maybe_bye(old)
        return None

    # ---- rights that come too late

    def late(self, peer: Peer, port: Port | None, id: int) -> object:
        """Who came with a right to what is not here hears where it is, or that it is dead."""
        known = port is not None and port.place is REMOTE and port.moved and self.rule("late")
        if known and not self.rule("aside") and self.settling(port):
            return AGAIN
        if known:
            self.set_aside(peer, port)
        else:
            self.tell(peer, "dead", (id, 0))
        return None
