"""A process of raw.py, to be told what to do."""

import marshal
import os
import select
import subprocess
import sys
from pathlib import Path


class Task:
    """One process of raw.py."""

    def __init__(self) -> None:
        tests = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rights.raw"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=tests,
        )
        assert self.process.stdin
        assert self.process.stdout
        self._to, self._from = self.process.stdin.fileno(), self.process.stdout.fileno()

    def __call__(self, *order):
        self.tell(*order)
        return self.hear()

    def tell(self, *order) -> None:
        data = marshal.dumps(order)
        os.write(self._to, len(data).to_bytes(4, "little") + data)

    def hear(self):
        head = os.read(self._from, 4)
        assert len(head) == 4, "the task has ended"
        size, answer = int.from_bytes(head, "little"), b""
        while len(answer) < size:
            answer += os.read(self._from, size - len(answer))
        return marshal.loads(answer)

    def has_said(self) -> bool:
        return bool(select.select([self._from], [], [], 0)[0])

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
