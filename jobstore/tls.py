"""Connections with TLS that share a context.

redis-py makes one for each connection, and reads the system's authorities each time, even if others are named. That
takes longer than the handshake, and delays a fail-over, after which all processes connect at once.
"""

from __future__ import annotations

import os
import socket
import ssl
from functools import lru_cache

from redis.connection import SSLConnection
from redis.sentinel import SentinelManagedConnection

__all__ = ["SentinelTlsConnection", "TlsConnection"]


class TlsConnection(SSLConnection):
    """A connection to a server; ``ssl_ca_certs`` alone vouch for it, or the system's authorities if it is empty."""

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        files = self.ca_certs, self.certfile, self.keyfile
        # A certificate that was replaced needs no restart.
        changed = tuple(os.stat(file).st_mtime_ns for file in files if file)
        return _context(*files, changed).wrap_socket(sock, server_hostname=self.host)


class SentinelTlsConnection(SentinelManagedConnection, TlsConnection):
    """A connection to the master that the Sentinels name."""


@lru_cache(maxsize=8)
def _context(ca_file: str | None, cert_file: str | None, key_file: str | None, _: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if cert_file:
        context.load_cert_chain(cert_file, key_file)
    return context
