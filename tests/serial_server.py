"""A serial port behind a TCP port, raw or RFC 2217, as ser2net would serve it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

import serial
import serial.rfc2217


class PortWithoutModemLines(serial.Serial):  # type: ignore[misc]  # pyserial has no annotations
    """A pseudo-terminal has no modem lines, but RFC 2217's manager reports them."""

    cts = dsr = ri = cd = dtr = rts = break_condition = False


class Server:
    """Passes one TCP connection's bytes to a serial port and back, until either end closes."""

    def __init__(self, path: str, rfc2217: bool) -> None:
        self._port = PortWithoutModemLines(path, timeout=0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._rfc2217 = rfc2217
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """RFC 2217's manager answers negotiations through this."""
        assert self._connection is not None
        self._connection.sendall(data)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._connection, _ = self._listener.accept()
            self._pass(self._connection)

    def _pass(self, connection: socket.socket) -> None:
        manager = serial.rfc2217.PortManager(self._port, self) if self._rfc2217 else None
        while True:
            ready, _, _ = select.select([connection, self._port.fileno()], [], [])
            if connection in ready:
                data = connection.recv(4096)
                if not data:
                    return
                self._port.write(b"".join(manager.filter(data)) if manager else data)
            if self._port.fileno() in ready:
                data = self._port.read(4096)
                connection.sendall(b"".join(manager.escape(data)) if manager else data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self._connection or self._listener).shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._port.close()
