"""The article's client: asks for bytes in the message (id 8), then for a page of memory (id 10).

python ool_client.py [NAME]. Its twin is ool_client.c: either talks to both servers.
"""

import struct
import sys

import machool

BODY = struct.Struct("32si")  # char bodyStr[32]; int bodyInt;
PLAIN_ID, OOL_ID = 8, 10


def text(data: bytes | memoryview) -> str:
    """The C string that `data` begins with."""
    return bytes(data).split(b"\0", 1)[0].decode()


def main(name: str = "com.example.machool.article") -> None:
    with machool.Client(name) as client:
        request = BODY.pack(b"Hello Mach!", 255)

        reply = client.request(request, id=PLAIN_ID, timeout=5.0)
        greeting, number = BODY.unpack(reply.body)
        print("got response message!")
        print(f"id      : {reply.id}")
        print(f"bodyS   : {text(greeting)}")
        print(f"bodyI   : {number}")

        # The article's server answers by COPY_SEND, so it needs a plain send right.
        reply = client.request(request, id=OOL_ID, timeout=5.0, send_once=False)
        (descriptor,) = reply.descriptors
        print("got response message!")
        print(text(reply.ool[0]))
        print(f"copy option: {int(descriptor.copy)}")
        print(f"buffer addr: {descriptor.address:#x}")
        print(f"total buffer size: {descriptor.size:#x}")
        # The pages are unmapped when the last view of them goes: here, with `reply`.


if __name__ == "__main__":
    main(*sys.argv[1:])
