"""Ends TLS in front of a Postgres that has none, as connection poolers do.

    python tests/tls_front.py PORT_OF_THE_SERVER CERTIFICATE KEY

Prints the port it listens on, on 127.0.0.1, and ends when its standard input does.
Whoever does not ask for TLS is sent away as Postgres would.
"""

import asyncio
import contextlib
import ssl
import sys

HOST = "127.0.0.1"
_TLS_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_GSS_REQUEST = (8).to_bytes(4, "big") + (80877104).to_bytes(4, "big")
_FIELDS = b"SFATAL\0VFATAL\0C28000\0Mpg_hba.conf rejects connection, no encryption\0\0"
_REFUSAL = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


async def front(server_port: int, context: ssl.SSLContext) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            request = await reader.readexactly(8)
            if request == _GSS_REQUEST:
                writer.write(b"N")
                request = await reader.readexactly(8)
            writer.write(b"S" if request == _TLS_REQUEST else _REFUSAL)
            await writer.drain()
            if request == _TLS_REQUEST:
                await writer.start_tls(context)
                await join(reader, writer, server_port)
        writer.close()

    listener = await asyncio.start_server(handle, HOST, 0)
    print(listener.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # its one answer
    await asyncio.to_thread(sys.stdin.read)


async def join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server_port: int
) -> None:
    """Pass bytes on until either side has closed."""
    from_server, to_server = await asyncio.open_connection(HOST, server_port)
    ways = [
        asyncio.create_task(pass_on(reader, to_server)),
        asyncio.create_task(pass_on(from_server, writer)),
    ]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    to_server.close()


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()


if __name__ == "__main__":
    port, certificate, key = sys.argv[1:]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    asyncio.run(front(int(port), tls))
