"""What the program in a task does: it sends, receives, drops, destroys, asks."""

from __future__ import annotations

from .engine import AGAIN, Steps
from .port import DEAD, ONCE, OWN, PORT, RECEIVE, REMOTE, SEND, SEND_ONCE, Message, Port, Right
from .state import Name, State

TRIES = 12


class Program(State):
    home: Port  # never moves

    # ---- names

    def copyout(self, right: Right) -> None:
        port = right.port
        if port is None or port.place is DEAD:
            if port:
                self.drop(port)
            return
        if right.type is RECEIVE:
            port.transit = False
            port.carrier = None
            self.receives.add(port)
        elif port in self.names:
            self.names[port].urefs += 1
            self.drop(port)
        else:
            self.names[port] = Name()

    def take_back(self, message: Message) -> None:
        """It could not be sent."""
        for right in message.rights:
            self.copyout(right)
        if message.destination and message.destination.port:
            self.copyout(message.destination)
        message.destination = None

    def move_name(self, port: Port) -> None:
        """One reference leaves its name for a message: the right is carried now."""
        name = self.names[port]
        name.urefs -= 1
        if name.urefs:
            self.carry(port)
            return
        del self.names[port]
        if name.request:
            self.drop(name.request)

    def drop_name(self, port: Port) -> None:
        self.move_name(port)
        self.drop(port)

    # ---- calls

    def receive(self, port: Port) -> None:
        message = port.queue.popleft()
        self.carried_by(message, None)
        self.return_credit(message)
        self.world.received(self, port, message)
        destination, message.destination = message.destination, None
        if destination:
            self.clean_right(destination)
        for right in message.rights:
            self.copyout(right)

    def receive_all(self) -> bool:
        any = False
        for port in list(self.receives):
            while port in self.receives and port.queue:
                self.receive(port)
                any = True
        return any

    def look_up(self, name: str) -> Steps:
        """The home port of that task, by a connection of its own."""
        end = self.kernel.connect(name, self)
        if end is None:
            return
        id = self.world.homes[name]
        self.kernel.send(end, "intro", (id,))
        yield
        from .peer import Peer
        from .way import Way

        if self.world.random.random() < 0.4:  # no answer in time: a channel of its own
            if end.other.closed:
                self.close(end)
                return
            peer = self.peers.get(name)
            if peer is None:
                peer = self.peers[name] = Peer(name)
            self.open_channel(end, peer)
            port = self.counted(id, PORT, peer)
        else:
            way = Way(end, name)
            port = yield from self.way_take(way, id, PORT)
            self.way_close(way)
        if port:
            self.copyout(Right(port, SEND))

    def wait_and_send(self, message: Message) -> Steps:
        self.sending.append(message)
        result = AGAIN
        tries = 0
        while result is AGAIN:
            port = message.destination.port
            if port.place is OWN:
                result = self.deliver(message, port)
            elif port.place is REMOTE:
                result = yield from self.send(message)
            else:
                self.clean(message)
                result = None
            if result is not AGAIN:
                break
            tries += 1
            if tries > TRIES and not self.world.patient:
                break
            if self.world.patient:
                self.receive_all()
            yield from self.poll()
            yield
        self.sending.remove(message)
        if result is None:
            self.world.sent(self, message)
        else:
            self.take_back(message)

    def pick_rights(self, destination: Port) -> list[Right]:
        random = self.world.random
        rights: list[Right] = []
        rash = self.world.rash
        for _ in range(random.choice((1, 1, 2, 3) if rash else (0, 1, 1, 2))):
            roll = random.random()
            movable = [p for p in self.receives if self.world.may_carry(destination, p)]
            names = [p for p in self.names if p is not destination]
            if roll < (0.6 if rash else 0.4) and movable and destination.place is REMOTE:
                port = random.choice(sorted(movable, key=lambda p: p.id))
                self.receives.remove(port)
                port.transit = True
                rights.append(Right(port, RECEIVE))
            elif roll < 0.55:
                port = random.choice(sorted(self.receives, key=lambda p: p.id))
                rights.append(Right(self.carry(port), SEND))
            elif roll < 0.7:
                port = random.choice(sorted(self.receives, key=lambda p: p.id))
                rights.append(Right(self.new_once(port), SEND_ONCE))
            elif names:
                port = random.choice(names)
                if port.kind is PORT and random.random() < 0.5:
                    self.carry(port)
                else:
                    self.move_name(port)
                rights.append(Right(port, SEND if port.kind is PORT else SEND_ONCE))
        return rights

    def send_something(self) -> Steps:
        random = self.world.random
        places = list(self.names) + sorted(self.receives, key=lambda p: p.id)
        single = [p for p in self.names if p.kind is ONCE]
        far = [p for p in self.names if p.place is REMOTE]
        if far and random.random() < 0.7:
            places = far
        port = random.choice(single if single and random.random() < 0.2 else places)
        if port.kind is ONCE:
            self.move_name(port)
            destination = Right(port, SEND_ONCE)
        else:
            destination = Right(self.carry(port), SEND)
        message = Message(self.world.label(self, port), [])
        message.destination = destination
        message.rights = self.pick_rights(port)
        self.log("SENDS", message, "to", port)
        yield from self.wait_and_send(message)

    def ask(self) -> None:
        """For no senders of a port, or the death of one."""
        random = self.world.random
        if random.random() < 0.5:
            port = random.choice(sorted(self.receives, key=lambda p: p.id))
            if not port.no_senders and not port.unwanted:
                port.no_senders = self.new_once(self.home)
        elif self.names:
            port = random.choice(list(self.names))
            if not self.names[port].request:
                self.names[port].request = self.new_once(self.home)

    def act(self) -> Steps:
        """One thing, whatever comes to mind."""
        random = self.world.random
        roll = random.random()
        full = [p for p in self.receives if p.queue]
        if roll < 0.26 and full:
            self.receive(random.choice(sorted(full, key=lambda p: p.id)))
        elif roll < 0.36 and self.names:
            port = random.choice(list(self.names))
            self.log("DROPS", port)
            self.drop_name(port)
        elif roll < 0.367 and len(self.receives) > 1:
            port = random.choice(sorted((self.receives - {self.home}), key=lambda p: p.id))
            self.log("DESTROYS", port)
            self.destroy(port)
        elif roll < 0.40:
            self.ask()
        elif roll < 0.42:
            yield from self.look_up(random.choice(self.world.others(self)))
        elif roll < 0.45 and len(self.receives) < 5:
            self.receives.add(self.new_port())
        else:
            yield from self.send_something()
        yield

    def live(self) -> Steps:
        """Calls, and passes of the engine, for ever."""
        for name in self.world.others(self):
            if self.world.random.random() < 0.7:
                yield from self.look_up(name)
        while True:
            if self.world.patient:
                any = self.receive_all()
                any |= yield from self.poll(whole=True)
                self.busy = any or bool(self.posts) or self.behind
            elif self.world.random.random() < 0.5:
                yield from self.poll()
                self.busy = True
            else:
                yield from self.act()
                self.busy = True
            yield

    busy = True
