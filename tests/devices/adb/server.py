"""An adb server that only lists devices, for the states that no TCP device has."""

import socket
import threading


class ListsDevices:
    """Answers `host:devices` with `listing` and keeps every request it got."""

    def __init__(self, listing: str) -> None:
        self.listing, self.requests = listing, list[str]()

    def __enter__(self) -> "ListsDevices":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                asking, _ = self._listener.accept()
            except OSError:
                return
            with asking:
                length = asking.recv(4)
                if length:
                    self.requests.append(asking.recv(int(length, 16)).decode())
                    asking.sendall(f"OKAY{len(self.listing):04x}{self.listing}".encode())
