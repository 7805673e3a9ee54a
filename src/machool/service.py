"""Server with its serving loop: the part of a server that is plain Python."""

from __future__ import annotations

import threading
from collections.abc import Callable

from machool import _machool

__all__ = ["Server"]


class Server(_machool.Server):
    __doc__ = _machool.Server.__doc__

    def serve(self, handler: Callable[[_machool.Message], object], *, threads: int = 1) -> None:
        """Calls `handler` with each message until shutdown() or close().

        With `threads` > 1 so many messages are handled at once; this thread is one of them. A
        handler that raises ends the service: the others finish what they are at, and the
        exception is raised here. A message that the handler neither answers nor keeps is dropped,
        which tells the asker at once.
        """
        if threads < 1:
            raise ValueError("threads must be >= 1")
        failures: list[BaseException] = []

        def run() -> None:
            try:
                for message in self:
                    handler(message)
                    del message  # an unanswered one is not to wait for the next
            except BaseException as error:  # handed over to the caller's thread below
                failures.append(error)
                self.shutdown()

        others = [
            threading.Thread(target=run, name=f"{self.name}-{i}", daemon=True)
            for i in range(1, threads)
        ]
        for thread in others:
            thread.start()
        run()
        self.shutdown()  # also when this thread ended by close()
        for thread in others:
            thread.join()
        if failures:
            raise failures[0]
