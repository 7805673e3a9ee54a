"""The article's server: bytes in the message for most requests, a page of memory for id 10.

python ool_server.py [NAME]; Ctrl-C ends it. Its twin is ool_server.c: either serves both clients.
"""

import struct
import sys

import machool

BODY = struct.Struct("32si")  # char bodyStr[32]; int bodyInt;
OOL_ID = 10


def main(name: str = "com.example.machool.article") -> None:
    page = machool.Region(machool.page_size)  # vm_allocate: zero-filled
    memoryview(page)[:17] = b"Hello, OOL data!\0"
    with machool.Server(name) as server:
        print(f"serving {name}", flush=True)
        for request in server:
            text, number = BODY.unpack(request.body)
            print("got message!")
            print(f"id      : {request.id}")
            print(f"bodyS   : {text.split(bytes(1))[0].decode()}")
            print(f"bodyI   : {number}", flush=True)
            if not request.has_reply_port:
                continue
            if request.id == OOL_ID:
                # One descriptor, copy: virtual, deallocate: no. The page stays the server's.
                request.reply(ool=page, id=request.id)
            else:
                body = BODY.pack(b"Response - Hello Mach!", number << 1)
                request.reply(body, id=request.id)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
