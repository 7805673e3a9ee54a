"""A task that does as it is told: Mach calls by their C names, orders on stdin, answers on stdout.

An order is a marshalled tuple (function, arguments...) behind its length, the answer likewise.
Messages are put together here byte by byte, as a C program would.
"""

import ctypes
import marshal
import os
import struct
import sys
from pathlib import Path

import machool

_LIBRARY = Path(machool.__file__).with_name("libmachool.so")
_c = ctypes.CDLL(str(_LIBRARY) if _LIBRARY.exists() else None)
_me = ctypes.c_uint32.in_dll(_c, "mach_task_self_").value
_bootstrap = ctypes.c_uint32.in_dll(_c, "bootstrap_port")

HEADER = struct.Struct("=IIIIIi")  # bits, size, remote, local, voucher, id
PORT = struct.Struct("=IIHBB")  # name, pad, pad, disposition, type
TRAILER = struct.Struct("=IIIII")  # type, size, seqno, sender
STATUS = struct.Struct("=10I")

COMPLEX = 0x80000000
SEND_MSG, RCV_MSG, SEND_TIMEOUT, RCV_TIMEOUT = 0x1, 0x2, 0x10, 0x100
TRAILER_SENDER = 2 << 24
SEND, RECEIVE, SEND_ONCE, PORT_SET, DEAD_NAME = range(5)  # MACH_PORT_RIGHT_

_buffer = ctypes.create_string_buffer(4096)


def allocate(right):
    name = ctypes.c_uint32()
    return _c.mach_port_allocate(_me, right, ctypes.byref(name)), name.value


def insert(name, how):
    return _c.mach_port_insert_right(_me, name, name, how)


def mod_refs(name, right, delta):
    return _c.mach_port_mod_refs(_me, name, right, delta)


def deallocate(name):
    return _c.mach_port_deallocate(_me, name)


def destroy(name):
    return _c.mach_port_destroy(_me, name)


def extract(name, how):
    made, kind = ctypes.c_uint32(), ctypes.c_uint32()
    code = _c.mach_port_extract_right(_me, name, how, ctypes.byref(made), ctypes.byref(kind))
    return code, made.value, kind.value


def request(name, kind, sync, notify, how):
    previous = ctypes.c_uint32()
    code = _c.mach_port_request_notification(
        _me, name, kind, sync, notify, how, ctypes.byref(previous)
    )
    return code, previous.value


def insert_member(name, port_set):
    return _c.mach_port_insert_member(_me, name, port_set)


def extract_member(name, port_set):
    return _c.mach_port_extract_member(_me, name, port_set)


def register(service, name):
    return _c.bootstrap_register(_bootstrap, service.encode(), name)


def look_up(service):
    name = ctypes.c_uint32()
    return _c.bootstrap_look_up(_bootstrap, service.encode(), ctypes.byref(name)), name.value


def send(remote, remote_how, local, local_how, rights, number):
    """Never waits. `rights`: (name, disposition) of each port descriptor."""
    bits = remote_how | local_how << 8 | (COMPLEX if rights else 0)
    body = struct.pack("=I", len(rights)) if rights else b""
    body += b"".join(PORT.pack(name, 0, 0, how, 0) for name, how in rights)
    size = HEADER.size + len(body)
    _buffer[:size] = HEADER.pack(bits, size, remote, local, 0, number) + body
    return _c.mach_msg(_buffer, SEND_MSG | SEND_TIMEOUT, size, 0, 0, 0, 0)


def receive(name, timeout):
    """(code, id, (local, how), (remote, how), rights, from the kernel, word)."""
    options = RCV_MSG | RCV_TIMEOUT | TRAILER_SENDER
    code = _c.mach_msg(_buffer, options, 0, len(_buffer), name, timeout, 0)
    if code != 0:
        return (code & 0xFFFFFFFF,)
    bits, size, remote, local, _, number = HEADER.unpack_from(_buffer)
    count = struct.unpack_from("=I", _buffer, HEADER.size)[0] if bits & COMPLEX else 0
    rights = []
    for i in range(count):
        name, _, _, how, _ = PORT.unpack_from(_buffer, HEADER.size + 4 + i * PORT.size)
        rights.append((name, how))
    sender = TRAILER.unpack_from(_buffer, size)[3:]
    word = struct.unpack_from("=I", _buffer, 32)[0] if size == 36 else 0
    ends = (local, bits >> 8 & 0x1F), (remote, bits & 0x1F)
    return 0, number, *ends, tuple(rights), sender == (0, 1), word


def catch_up(name):
    """Let the layer read what other tasks have said: a receive that finds nothing."""
    return receive(name, 0)[0]


def refs(name, right):
    count = ctypes.c_uint32()
    code = _c.mach_port_get_refs(_me, name, right, ctypes.byref(count))
    return code, count.value


def space():
    """{name: (type, references)} of all names; of a port set its type alone."""
    names, types = ctypes.POINTER(ctypes.c_uint32)(), ctypes.POINTER(ctypes.c_uint32)()
    count, same = ctypes.c_uint32(), ctypes.c_uint32()
    code = _c.mach_port_names(
        _me,
        ctypes.byref(names),
        ctypes.byref(count),
        ctypes.byref(types),
        ctypes.byref(same),
    )
    assert code == 0
    assert count.value == same.value
    found = {names[i]: types[i] for i in range(count.value)}
    for memory in (names, types):
        _c.vm_deallocate(
            _me,
            ctypes.c_size_t(ctypes.cast(memory, ctypes.c_void_p).value or 0),
            ctypes.c_size_t(4 * count.value),
        )
    kinds = ((0x10000, SEND), (0x40000, SEND_ONCE), (0x100000, DEAD_NAME))
    result = {}
    for name, type in found.items():
        held = [refs(name, right)[1] for bit, right in kinds if type & bit]
        result[name] = (type, sum(held))
    return result


def status(name):
    """(code, mscount, qlimit, msgcount, sorights, srights, pdrequest, nsrequest)."""
    data, count = ctypes.create_string_buffer(STATUS.size), ctypes.c_uint32(10)
    code = _c.mach_port_get_attributes(_me, name, 2, data, ctypes.byref(count))
    return code, *STATUS.unpack(data.raw)[2:9]


def serve():
    """Until stdin ends."""
    source, sink = sys.stdin.buffer.fileno(), os.dup(1)
    os.dup2(2, 1)
    while True:
        head = os.read(source, 4)
        if len(head) < 4:
            return
        function, *arguments = marshal.loads(os.read(source, int.from_bytes(head, "little")))
        answer = marshal.dumps(globals()[function](*arguments))
        os.write(sink, len(answer).to_bytes(4, "little") + answer)


if __name__ == "__main__":
    serve()
