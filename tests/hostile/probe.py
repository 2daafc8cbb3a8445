"""Request /health on a new connection each time, and print the response times.

python -m tests.hostile.probe PORT: sends a request every 20 ms, one at a time, until standard input ends. It is a
separate process, so that the load of the scenario does not delay it.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

_EVERY_SECONDS = 0.02
_LONGEST_SECONDS = 30.0


def main(port: int) -> None:
    words = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    seconds: list[float] = []
    failures: list[str] = []
    due = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        begun = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_SECONDS) as connection:
                connection.sendall(words)
                answer = connection.recv(1000)
            if not answer.startswith(b"HTTP/1.1 200 "):
                failures.append(answer[:40].decode("latin-1"))
        except OSError as error:
            failures.append(str(error))
        seconds.append(time.monotonic() - begun)
        due = max(due + _EVERY_SECONDS, time.monotonic())
    json.dump({"seconds": seconds, "failures": failures}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
