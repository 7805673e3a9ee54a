"""The package's C part, ``_native.so`` (csrc/bench), as ctypes sees it."""

import ctypes
import sys
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("_native.so")


def built() -> bool:
    """Whether there is one: not on macOS."""
    return sys.platform == "linux" and PATH.exists()


def load() -> Any:
    """The library, its calls declared."""
    library = ctypes.CDLL(str(PATH), use_errno=True)
    doubles, numbers = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_uint64)
    pointer, count, real = ctypes.c_void_p, ctypes.c_uint, ctypes.c_double
    for name, result, arguments in (
        ("bench_open", pointer, [ctypes.c_int, ctypes.c_size_t, ctypes.c_bool]),
        ("bench_turn", ctypes.c_int, [pointer, count, real, doubles, doubles]),
        ("bench_close", None, [pointer]),
        ("bench_swarm_start", pointer, [ctypes.c_char_p, count]),
        ("bench_swarm_run", ctypes.c_int, [pointer, count, real, numbers]),
        ("bench_swarm_end", None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
