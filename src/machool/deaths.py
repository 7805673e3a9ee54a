"""Watching ports die: `Port.on_death`.

One thread of the process receives the dead-name notifications of all watched ports and calls the
callbacks. It is started by the first watch and is a daemon. A forked child that watches something
starts its own: names of the parent mean nothing there (S142).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from machool import _machool
from machool.enums import NotificationKind
from machool.errors import MachError

__all__ = ["DeathWatch", "watch"]


class DeathWatch:
    """A callback that waits for the death of a port. It keeps the Port alive, until it was called,
    or until cancel(). A task that closes its last right of that name is told nothing."""

    def __init__(
        self,
        watcher: _Watcher,
        port: _machool.Port,
        callback: Callable[[_machool.Port], object],
    ) -> None:
        self._watcher = watcher
        self._port: _machool.Port | None = port
        self._callback = callback

    @property
    def active(self) -> bool:
        """Whether the callback may still be called."""
        return self._port is not None

    def cancel(self) -> None:
        """Withdraws the callback, unless it is being called already. May be called again."""
        port, self._port = self._port, None
        if port is not None:
            self._watcher.forget(port, self)

    def _fire(self) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        try:
            self._callback(port)
        except Exception:
            threading.excepthook(
                threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
            )


class _Watcher:
    """The thread, and what it waits for: the watches of each name."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._inbox = _machool.Port()
        self._watches: dict[int, list[DeathWatch]] = {}
        threading.Thread(target=self._run, name="machool-deaths", daemon=True).start()

    def add(self, port: _machool.Port, callback: Callable[[_machool.Port], object]) -> DeathWatch:
        watch = DeathWatch(self, port, callback)
        if port.right == "receive":
            raise ValueError("who holds the receive right ends the port: nobody need tell it")
        with self._lock:
            waiting = self._watches.get(port.name, [])
            if not waiting and not port.dead:
                try:
                    port.request_notification(NotificationKind.DEAD_NAME, self._inbox)
                except MachError:
                    if not port.dead:  # not just now
                        raise
            self._watches[port.name] = [*waiting, watch]
        if port.dead:  # and no notification comes (S133), or it finds nothing left to do
            self._inbox.send(id=port.name)
        return watch

    def forget(self, port: _machool.Port, watch: DeathWatch) -> None:
        with self._lock:
            for name, waiting in list(self._watches.items()):
                if watch in waiting:
                    waiting.remove(watch)
                    if not waiting:
                        del self._watches[name]
                        if port.name == name and not port.dead:
                            port.request_notification(NotificationKind.DEAD_NAME, None)

    def _run(self) -> None:
        while True:
            self._serve_one()  # nothing of it is kept while the next one is waited for

    def _serve_one(self) -> None:
        message = self._inbox.receive()
        if isinstance(message, _machool.Notification):
            name = message.name  # 0: somebody else's request took the place of ours
            died = message.kind == NotificationKind.DEAD_NAME
        else:
            name, died = message.id & 0xFFFFFFFF, True
        with self._lock:
            watches = self._watches.pop(name, [])
        for watch in watches if died else ():
            watch._fire()


_lock = threading.Lock()
_watcher: _Watcher | None = None


def watch(port: _machool.Port, callback: Callable[[_machool.Port], object]) -> DeathWatch:
    """`port.on_death(callback)`."""
    global _watcher
    if not callable(callback):
        raise TypeError("callback must be callable")
    with _lock:
        if _watcher is None or _watcher.pid != os.getpid():
            _watcher = _Watcher()
        watcher = _watcher
    return watcher.add(port, callback)


def _forget_locks() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_forget_locks)
