"""A NumPy array goes to another process, is changed there in place, and comes back.

dtype and shape travel in the message's body, the elements out of line. The received array is
writable without a copy: its pages are private to whoever received them.
"""

import json
import os
import subprocess
import sys

import numpy as np

import machool


def describe(array: np.ndarray) -> bytes:
    return json.dumps({"dtype": array.dtype.str, "shape": array.shape}).encode()


def as_array(message: machool.Message) -> np.ndarray:
    what = json.loads(bytes(message.body))
    return np.frombuffer(message.ool[0], what["dtype"]).reshape(what["shape"])


def worker(name: str) -> None:
    with machool.Server(name) as server:
        print("ready", flush=True)
        request = server.receive(timeout=10)
        array = as_array(request)
        array *= 2  # in place: no copy of 32 MB was needed to make it writable
        request.reply(describe(array), ool=array)


def main(name: str) -> None:
    command = [sys.executable, __file__, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        there = np.arange(4_000_000, dtype=np.float64).reshape(2000, 2000)
        with machool.Client(name) as client:
            back = as_array(client.request(describe(there), ool=there, timeout=10))
    print(f"sent  {there.dtype} {there.shape}, last element {there[-1, -1]:,.0f}")
    print(f"back  {back.dtype} {back.shape}, last element {back[-1, -1]:,.0f}")
    assert np.array_equal(back, there * 2)
    assert back.flags.writeable
    assert not back.flags.owndata
    print("proved: every element was doubled there, mine are as they were, and `back` is writable")


if __name__ == "__main__":
    if sys.argv[1:]:
        worker(sys.argv[1])
    else:
        main(f"com.example.numpy.{os.getpid()}")
