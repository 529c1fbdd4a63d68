"""MySQL 8 at the door, MariaDB behind it: who is let in by caching_sha2_password speaks with a real database then."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import subprocess
import threading
from contextlib import suppress

from sql_servers import MariaDB

_SSL, _PLUGIN, _ATTRIBUTES, _LENENC = 0x800, 0x80000, 0x100000, 0x200000
_CAPABILITIES = 0x1 | 0x2 | 0x4 | 0x8 | 0x200 | _SSL | 0x2000 | 0x8000 | 0x30000 | 0x40000 | _PLUGIN | _LENENC
_SALT = b"abcdefghijklmnopqrst"
_OK = b"\0\0\0\2\0\0\0"


def scramble(password: bytes) -> bytes:
    """What the server's documents call the fast authentication."""
    one = hashlib.sha256(password).digest()
    two = hashlib.sha256(hashlib.sha256(one).digest() + _SALT).digest()
    return bytes(a ^ b for a, b in zip(one, two, strict=True))


class Packets:
    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.number = 0

    def read(self) -> bytes:
        head = self._exactly(4)
        self.number = head[3]
        return self._exactly(int.from_bytes(head[:3], "little"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (more := self.socket.recv(count - len(data))):
                raise EOFError
            data += more
        return data

    def write(self, payload: bytes, number: int | None = None) -> None:
        self.number = self.number + 1 if number is None else number
        self.socket.sendall(len(payload).to_bytes(3, "little") + bytes([self.number]) + payload)


class MySQL8:
    """Listens on a port of its own; ``remembers`` whether it knows the password from an earlier login (its cache)."""

    def __init__(self, behind: MariaDB, password: str) -> None:
        self._behind = behind
        self._password = password.encode()
        self.remembers = False
        self.ways: list[str] = []
        """How each login went."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(behind.folder / "cert.pem", behind.folder / "key.pem")
        out = subprocess.run(["openssl", "pkey", "-in", behind.folder / "key.pem", "-pubout"], capture_output=True)
        self._key = out.stdout
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError), connection, socket.socket(socket.AF_UNIX) as behind:
            behind.connect(f"{self._behind.folder}/socket")
            server = Packets(behind)
            # the number of the connection, which KILL asks for
            number = server.read().split(b"\0", 1)[1][:4]
            if (client := self._let_in(Packets(connection), number, server)) is None:
                return
            back = threading.Thread(target=_relay, args=(behind, client.socket), daemon=True)
            back.start()
            try:
                while True:
                    payload = client.read()
                    if payload.startswith(b"\x03SET SESSION max_execution_time = "):
                        payload = b"\x03SET SESSION max_statement_time = 10"
                    server.write(payload, client.number)
            finally:
                with suppress(OSError):
                    behind.shutdown(socket.SHUT_RDWR)
                client.socket.close()

    def _let_in(self, client: Packets, number: bytes, server: Packets) -> Packets | None:
        low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
        greeting = b"\x0a8.0.36\0" + number + _SALT[:8] + b"\0" + struct.pack("<HBHHB", low, 255, 2, high, 21)
        client.write(greeting + bytes(10) + _SALT[8:] + b"\0caching_sha2_password\0", 0)
        answer = client.read()
        secure = bool(struct.unpack_from("<I", answer)[0] & _SSL)
        if secure:
            seen = client.number
            client = Packets(self._tls.wrap_socket(client.socket, server_side=True))
            client.number = seen
            answer = client.read()
        flags, most, charset = struct.unpack_from("<IIB", answer)
        user, rest = answer[32:].split(b"\0", 1)
        proof, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        database = rest.split(b"\0", 1)[0]
        if self.remembers:
            self.ways.append("fast")
            if user != b"ftpd" or proof != scramble(self._password):
                return self._refuse(client)
            client.write(b"\1\3")
        else:
            self.ways.append("full over TLS" if secure else "full without TLS")
            client.write(b"\1\4")
            if not secure:
                # a client may ask for a key to encrypt the password with: whoever sits between could give his own
                if client.read() != b"\2":
                    return self._refuse(client)
                client.write(b"\1" + self._key)
                client.read()
                self.ways.append("password by key")
                return self._refuse(client)
            if user != b"ftpd" or client.read() != self._password + b"\0":
                return self._refuse(client)
        flags &= ~(_SSL | _PLUGIN | _ATTRIBUTES | _LENENC)
        server.write(struct.pack("<IIB23x", flags, most, charset) + b"root\0\0" + database + b"\0", 1)
        assert server.read()[0] == 0
        client.write(_OK)
        return client

    def _refuse(self, client: Packets) -> None:
        client.write(b"\xff\x15\x04#28000Access denied")
        client.socket.close()


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.close()
