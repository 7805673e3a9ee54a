"""What is going on, on stderr: one line that changes on a terminal, one for each part elsewhere."""

import sys
import time


class Progress:
    """Call it with what is measured just now."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.part = ""
        self.start = time.monotonic()

    def begin(self, part: str) -> None:
        """Another part of the run."""
        self.part = part
        if not self.terminal:
            self._write(f"{self._clock()} {part}\n")

    def __call__(self, text: str) -> None:
        if self.terminal:
            self._write(f"\r\x1b[K{self._clock()} {self.part}: {text}")

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self.terminal:
            self._write("\r\x1b[K")

    def _clock(self) -> str:
        return f"{time.monotonic() - self.start:6.1f} s"

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
