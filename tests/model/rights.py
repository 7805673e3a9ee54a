"""Rights of a task: they are carried and dropped, die, are judged; what notifications follow."""

from __future__ import annotations

from .peer import Channel, Peer
from .port import DEAD, ONCE, OWN, PORT, RECEIVE, REMOTE, SEND_ONCE, Message, Port, Right
from .state import State


class Rights(State):
    # ---- counting

    def carry(self, port: Port) -> Port:
        port.local += 1
        return port

    def drop(self, port: Port) -> None:
        port.local -= 1
        if port.local < 0:
            self.world.fail("a right dropped twice:", port, "at", self)
        if port.local:
            if port.local == port.tombs and port.place is REMOTE and self.rule("tombed"):
                self.tell(port.peer, "tombed", (port.id, port.grants.get(port.peer, 0)))
            return
        alone = not port.lent or not self.rule("alone")
        if port.place is OWN and port.kind is ONCE and port.unwanted and alone:
            self.notify_send_once(port)
        elif port.place is OWN:
            self.dropped(port)
        elif port.place is REMOTE:
            self.release(port)

    def leave_peer(self, port: Port) -> None:
        del self.ports[port.id]
        port.place = DEAD
        port.peer = None

    def release(self, port: Port) -> None:
        owner, owed = port.peer, dict(port.grants)
        self.leave_peer(port)
        port.grants.clear()
        for peer, count in owed.items():
            if count > 0:
                self.tell(peer, "release", (port.id, count))
            if peer is not owner:
                self.maybe_bye(peer)
        self.maybe_bye(owner)

    def dropped(self, port: Port) -> None:
        if port.place is not OWN or not port.unwanted:
            return
        port.last_drop = self.passes
        if not self.rule("pass"):
            self.judge_one(port)
        elif not port.judging:
            port.judging = True
            self.judged.append(port)

    def judge(self, finished: int) -> None:
        parting, self.parting = self.parting, []
        for port, since in parting:
            if since < finished:
                self.drop(port)
            else:
                self.parting.append((port, since))
                self.behind = True
        for port in list(self.judged):
            if port.place is OWN and port.last_drop >= finished:
                continue
            self.judged.remove(port)
            port.judging = False
            self.judge_one(port)

    def judge_one(self, port: Port) -> None:
        if port.place is not OWN or not port.unwanted:
            return
        if port.kind is ONCE:
            self.notify_send_once(port)
        else:
            once, port.no_senders = port.no_senders, None
            if once:
                self.world.no_senders(self, port)
                self.post(once, Message(None, [], ("no-senders", port.id)))

    # ---- notifications

    def notify_send_once(self, once: Port) -> None:
        self.world.fate(once.id, "notification", self)
        target = once.target
        self.spend(once)
        self.file(target, Message(None, [], ("send-once", once.id)))

    def post(self, once: Port, message: Message) -> None:
        """Sends it by a carried right, which is used up."""
        if once.place is OWN:
            target = once.target
            self.world.fate(once.id, "message", self)
            self.spend(once)
            self.file(target, message)
        elif once.place is REMOTE:
            message.destination = Right(self.carry(once), SEND_ONCE)
            self.posts.append(message)
        self.drop(once)

    # ---- ends of ports

    def leave_table(self, port: Port, tell: bool) -> None:
        del self.ports[port.id]
        if tell:
            self.graves.add(port.id)
        if port.judging:
            self.judged.remove(port)
            port.judging = False
        port.place = DEAD
        peers = list(port.grants)
        port.grants.clear()
        for peer in peers:
            if tell:
                self.tell(peer, "dead", (port.id, 0))
            self.maybe_bye(peer)

    def spend(self, once: Port) -> None:
        self.leave_table(once, tell=False)
        once.target.nonces.remove(once)
        once.target = None

    def destroy(self, port: Port) -> None:
        """The receive right goes."""
        self.world.port_died(port.id)
        self.leave_table(port, tell=True)
        self.receives.discard(port)
        for once in list(port.nonces):
            self.world.fate(once.id, "its port died", self)
            self.leave_table(once, tell=True)
            self.name_died(once)
            port.nonces.remove(once)
            once.target = None
        queue, port.queue = list(port.queue), type(port.queue)()
        for message in queue:
            self.clean(message)
        once, port.no_senders = port.no_senders, None
        if once:
            self.drop(once)
        self.name_died(port)

    def die(self, port: Port) -> None:
        """Another task's port is dead, as far as this task knows."""
        self.world.seems_dead(self, port)
        self.release(port)
        self.name_died(port)

    def name_died(self, port: Port) -> None:
        name = self.names.pop(port, None)
        if name is None:
            return
        if name.request:
            self.world.dead_name(self, port)
            self.post(name.request, Message(None, [], ("dead-name", port.id, self.name)))
        self.drop(port)

    # ---- messages

    def clean_right(self, right: Right) -> None:
        port, right.port = right.port, None
        if port and right.type is RECEIVE:
            self.destroy(port)
        elif port:
            self.drop(port)

    def return_credit(self, message: Message) -> None:
        if message.credit:
            channel, slot = message.credit
            message.credit = None
            if not channel.closed:
                channel.into.returned[slot] = channel.into.returned.get(slot, 0) + 1

    def clean(self, message: Message) -> None:
        self.return_credit(message)
        if message.destination:
            self.clean_right(message.destination)
            message.destination = None
        for right in message.rights:
            self.clean_right(right)

    def carried_by(self, message: Message, port: Port | None) -> None:
        for right in message.rights:
            if right.type is RECEIVE and right.port:
                right.port.carrier = port

    def file(self, port: Port, message: Message) -> None:
        if port.place is not OWN:
            self.clean(message)
            return
        port.queue.append(message)
        self.carried_by(message, port)

    # ---- peers

    def channel_of(self, peer: Peer) -> Channel | None:
        """The one to publish on."""
        usable = [channel for channel in peer.channels if not channel.frozen]
        if not usable:
            return None
        return usable[0] if self.rule("first") else self.world.random.choice(usable)

    def publish(self, channel: Channel, kind: str, data: object) -> bool:
        """False: the peer is gone."""
        if channel.closed or channel.ended:
            return False
        aside = kind == "moved" or (kind == "ack" and channel.frozen)
        if not aside and kind != "bye-ok":
            self.take_turn(channel)
        self.log("publishes", kind, data, "on", channel)
        self.kernel.put(channel.out, kind, data)
        if channel.end.other.closed:
            self.world.unread(kind, data)
        channel.published += 1
        if aside and self.rule("frozen"):
            return True  # said also on channels that are not used any more
        if kind != "bye-ok":
            channel.bye = data if kind == "bye" else 0
        channel.frozen = kind == "bye-ok"
        return True

    def take_turn(self, channel: Channel) -> None:
        """Another channel than before: what was said there comes first."""
        last, channel.peer.last = channel.peer.last, channel
        if last and last is not channel and not last.closed and self.rule("turn"):
            self.kernel.put(channel.out, "after", (last.out, last.published))
            channel.published += 1

    def tell(self, peer: Peer, kind: str, data: object) -> None:
        channel = self.channel_of(peer)
        if channel:
            self.publish(channel, kind, data)

    def peer_died(self, peer: Peer) -> None:
        self.log("has lost", peer)
        dying = []
        for port in list(self.ports.values()):
            if port.grants.pop(peer, 0) and port.place is OWN:
                self.dropped(port)
            if port.place is REMOTE and port.peer is peer:
                dying.append(port)
        for port in dying:
            if port.place is REMOTE:
                self.die(port)
        while peer.asides:
            self.forget_aside(peer, peer.asides[0])
        tombs, peer.tombs = peer.tombs, []
        for _, ports in tombs:
            self.lift(ports)
        self.peers.pop(peer.name, None)

    def lose(self, channel: Channel) -> None:
        channel.closed = True
        self.graves.add(channel.into)
        self.kernel.close(channel.end)
        for ends in channel.kept.values():
            for end in ends:
                self.kernel.close(end)
        stands, channel.stands = channel.stands, []
        for stand in stands:
            self.forget_stand(stand)
        self.channels.remove(channel)
        channel.peer.channels.remove(channel)
        if not channel.peer.channels:
            self.peer_died(channel.peer)

    def lift(self, ports: list[Port]) -> None:
        if self.rule("keep"):
            for port in ports:
                port.tombs -= 1
                self.drop(port)

    def idle(self, peer: Peer) -> bool:
        return not peer.asides and not any(
            peer in port.grants or (port.place is REMOTE and port.peer is peer)
            for port in self.ports.values()
        )

    def maybe_bye(self, peer: Peer) -> None:
        channel = self.channel_of(peer)
        if not channel or channel.bye or channel.frozen or not self.idle(peer):
            return
        channel.byes += 1
        self.publish(channel, "bye", channel.byes)
        if not self.rule("agree"):
            channel.ended = True

    def hear_bye(self, channel: Channel, kind: str, number: int) -> None:
        if not self.idle(channel.peer):
            return
        if kind == "bye":
            self.publish(channel, "bye-ok", number)
        elif number == channel.bye or (channel.bye and not self.rule("number")):
            channel.ended = True
            channel.frozen = self.rule("over")

    def thaw(self, channel: Channel) -> None:
        """The peer goes on after all; another channel may be the first meanwhile."""
        channel.frozen = False
        if self.rule("last"):
            channel.peer.channels.remove(channel)
            channel.peer.channels.append(channel)

    # ---- ports that come and go

    def new_port(self) -> Port:
        port = Port(self.world.new_id(), PORT, OWN)
        self.ports[port.id] = port
        return port

    def new_once(self, target: Port) -> Port:
        once = Port(self.world.new_id(target), ONCE, OWN)
        self.ports[once.id] = once
        once.local = 1
        once.target = target
        target.nonces.append(once)
        return once

    def counted(self, id: int, kind: str, peer: Peer) -> Port | None:
        """One more right to a port that its owner, the peer, counts as this task's already."""
        port = self.ports.get(id)
        if port is None:
            port = self.ports[id] = Port(id, kind, REMOTE)
            port.peer = peer
            port.limit = self.world.limits[id]
        elif port.place is not REMOTE:
            self.tell(peer, "release", (id, 1))
            return None
        port.add(peer, 1)
        return self.carry(port)

    def leave_slot(self, port: Port) -> None:
        port.slot_channel = None
