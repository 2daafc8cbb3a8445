"""The settings: one table of name, default and help, read from the environment.

``load()`` reads and checks them all; docs/settings.md is tested against ``TABLE``.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = [
    "LEAST_MEMORY_MB",
    "TABLE",
    "InvalidSetting",
    "Setting",
    "Settings",
    "api_address",
    "bracketed",
    "load",
    "load_or_exit",
    "redis_auth_settings",
]


_REDIS_TAKES = 256 * 2**20
"""What is written with one command: Redis takes 512 MiB in one value, and 1 GiB in one command."""
LEAST_MEMORY_MB = 160
"""All analyses run on the sample with it, on 64 cores too: measured, 122 MiB at most."""
_MAX_PORT = 65535
_MAX_DATABASE = 9999
_MAX_MIB = 2**30  # a PiB
_MAX_PROCESSES = 4096
_MAX_COUNT = 2**53  # the largest that Redis' scripts count exactly
_MAX_SECONDS = 100 * 365 * 86400.0
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class InvalidSetting(ValueError):
    """A setting's value cannot be used; the message names it and says what is expected."""


_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
_ADDRESS = re.compile(r"([^\s:,\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_QUEUE_NAME = re.compile(r"[\w.:-]{1,200}")
_SHOWN_CHARACTERS = 60


def _host(text: str) -> str:
    """Return a host name or an address, an IPv6 address without its brackets."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        if ":" in host or host != text:
            ipaddress.IPv6Address(host)
        host.encode("idna")
    except ValueError:
        host = ""
    if not host or re.search(r"[\s/@?#,\[\]]", host):
        raise ValueError("a host name or an address")
    return host


def _hosts(text: str) -> str:
    if not all(name.strip() for name in text.split(",")):
        raise ValueError("names, separated by commas")
    return text


def _log_level(text: str) -> str:
    if text.upper() not in _LOG_LEVELS:
        raise ValueError(f"one of {', '.join(_LOG_LEVELS)}")
    return text.upper()


def _queue_name(text: str) -> str:
    if not _QUEUE_NAME.fullmatch(text):
        raise ValueError("letters, digits and any of _ . : -")
    return text


def _setting(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    read: Callable[[str], str] | None = None,
    file: bool = False,
    secret: bool = False,
) -> Any:
    about = {"help": help, "least": least, "most": most, "read": read, "file": file or secret, "secret": secret}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting as a typed attribute; the environment's name is the attribute's in capitals."""

    redis_ip: str = _setting("127.0.0.1", "Host of the Redis server.", read=_host)
    redis_port: int = _setting(6379, "Port of the Redis server.", least=1, most=_MAX_PORT)
    redis_db: int = _setting(0, "Database of the job records and the dataset.", least=0, most=_MAX_DATABASE)
    queue_db: int = _setting(
        1, "Database of the queue; the same number as `REDIS_DB` works too.", least=0, most=_MAX_DATABASE
    )
    queue_name: str = _setting(
        "queue", "Name of the HotQueue: ids wait in the list `hotqueue:<name>`.", read=_queue_name
    )
    redis_username: str = _setting("", "User of the Redis server; empty is its default user.")
    redis_password_file: str = _setting(
        "", "File with the user's password, read anew for each connection.", secret=True
    )
    redis_tls: bool = _setting(False, "Whether to talk TLS to Redis, and to the Sentinels; its name is verified.")
    redis_ca_file: str = _setting("", "Certificates that vouch for Redis; empty is the system's.", file=True)
    redis_cert_file: str = _setting("", "Certificate that this client shows to Redis.", file=True)
    redis_key_file: str = _setting("", "Private key of that certificate.", secret=True)
    redis_sentinels: str = _setting(
        "", "Sentinels, `host:port,host:port`, that know where Redis is; `REDIS_IP` and `REDIS_PORT` are unused then."
    )
    redis_sentinel_master: str = _setting("mymaster", "Name that the Sentinels know this Redis by.")
    redis_sentinel_username: str = _setting("", "User of the Sentinels; empty is their default user.")
    redis_sentinel_password_file: str = _setting("", "File with that user's password.", secret=True)

    api_host: str = _setting("127.0.0.1", "Address that the API listens on.", read=_host)
    api_port: int = _setting(5000, "Port that the API listens on.", least=1, most=_MAX_PORT)
    api_threads: int = _setting(
        96,
        "Threads of the API process; all but 16 of them may hold waiting clients.",
        least=20,
        most=_MAX_PROCESSES,
    )
    allowed_hosts: str = _setting(
        "localhost,127.0.0.1,[::1]", "Names, comma-separated, that the `Host` header may carry.", read=_hosts
    )
    url_prefix: str = _setting(
        "",
        "Path below which a proxy serves the API, such as `/jobs-api`: it stands in every link, and requests come with "
        "or without it.",
    )
    request_memory_mb: int = _setting(
        512,
        "Memory that the bodies and responses of all requests may use together, in MiB.",
        least=64,
        most=_MAX_MIB,
    )
    max_body_bytes: int = _setting(256 * 2**20, "Largest body of `POST /data`, unpacked, in bytes.", least=1)
    max_load_seconds: float = _setting(120.0, "Seconds that reading the body of `POST /data` may take.", least=1)
    load_memory_mb: int = _setting(
        0,
        "Memory that reading it may take, in MiB; 0 is 7/16 of the container's (no more than 25 bodies take).",
        least=0,
    )
    dataset_memory_mb: int = _setting(
        0,
        "Memory of the API for the dataset and its indexes, in MiB; 0 is a sixth of the container's, 4096 at most.",
        least=0,
    )
    max_jobs_bytes: int = _setting(
        16 * 2**20,
        "Largest body of `POST /jobs`, in bytes; at most a tenth of `REQUEST_MEMORY_MB`.",
        least=1,
        most=_REDIS_TAKES,
    )
    max_params_bytes: int = _setting(
        64 * 2**10, "Largest `params` of one job, as compact JSON, in bytes.", least=2, most=16 * 2**20
    )
    max_queued_jobs: int = _setting(
        1_000_000, "Unfinished jobs that there may be in all: more are refused, the whole request.", least=1
    )

    workers: int = _setting(0, "Children of one worker process; 0 is one per core.", least=0, most=_MAX_PROCESSES)
    standby_children: int = _setting(
        1, "Children started ahead, each to take over at once when another dies.", least=0, most=_MAX_PROCESSES
    )
    lease_seconds: float = _setting(15.0, "Seconds without a heartbeat until a worker is taken for lost.", least=1)
    drain_seconds: float = _setting(
        30.0, "Seconds that a stopping worker lets its jobs run before it gives them back.", least=0
    )
    max_jobs_per_child: int = _setting(
        100_000, "Jobs after which a child is replaced by a fresh process; 0 is never.", least=0
    )
    memory_limit_mb: int = _setting(
        0,
        "Memory that one child, with all that its analysis starts, may use, in MiB; 0 is no limit.",
        least=0,
        most=_MAX_MIB,
    )
    max_result_bytes: int = _setting(
        64 * 2**20,
        "Largest result of one job, artifacts included, in bytes; 268435456 at most.",
        least=1,
        most=_REDIS_TAKES,
    )
    retention_seconds: float = _setting(
        7 * 86400.0, "Seconds that an ended job is kept, with its results and its log.", least=1
    )

    health_file: str = _setting(
        "", "File that the worker stamps with each round of its loop, for `python -m ops.health worker`; empty is none."
    )

    backup_dir: str = _setting("./backups", "Folder of the back-ups.")
    backup_keep: int = _setting(14, "Back-ups that are kept, the newest ones.", least=1)
    backup_interval_seconds: float = _setting(
        86400.0, "Seconds between two back-ups of `python -m ops.backup every`.", least=1
    )

    restore_port: int = _setting(
        0, "Port from which Redis fetches a snapshot that is restored; 0 is any.", least=0, most=_MAX_PORT
    )

    data_dir: str = _setting("./var", "Folder where `make run` keeps the state of its Redis.")
    redis_server: str = _setting("", "Server program that `make run` starts; empty is the installed valkey-server.")
    log_level: str = _setting("INFO", "Least severe level that is logged.", read=_log_level)


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table."""

    name: str
    default: Any
    help: str


TABLE = tuple(
    Setting(f.name.upper(), "no" if f.default is False else f.default, f.metadata["help"]) for f in fields(Settings)
)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from ``environ``; an empty value is the default, but a secret's is refused.

    :raises InvalidSetting: naming the setting and what it expects.
    """
    values = {}
    for f in fields(Settings):
        name = f.name.upper()
        text = environ.get(name, "").strip()
        if text:
            values[f.name] = _parse(name, text, type(f.default), f.metadata)
            if f.metadata["file"]:
                _check_file(name, text)
        elif f.metadata["secret"] and name in environ:
            raise InvalidSetting(f"{name} is set but empty: name the file, or do not set it at all")
    settings = Settings(**values)
    if 0 < settings.memory_limit_mb < LEAST_MEMORY_MB:
        raise InvalidSetting(f"MEMORY_LIMIT_MB={settings.memory_limit_mb}: expected 0, or {LEAST_MEMORY_MB} or more")
    if not _PREFIX.fullmatch(settings.url_prefix):
        raise InvalidSetting(
            f"URL_PREFIX={settings.url_prefix!r}: expected a path such as /jobs-api, without a / at its end"
        )
    _check_together(settings)
    return settings


def load_or_exit() -> Settings:
    """Read the settings for a program: an impossible value is one sentence on standard error and exit status 2."""
    try:
        return load()
    except InvalidSetting as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def api_address(settings: Settings) -> str:
    """Return the URL by which this machine reaches the API, without a slash at its end."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)
    return f"http://{bracketed(host)}:{settings.api_port}"


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def redis_auth_settings(settings: Settings) -> dict[str, Any]:
    """What a Redis wants beside its address: the arguments of :class:`transitions.RedisAuth`."""
    return {
        "username": settings.redis_username,
        "password_file": settings.redis_password_file,
        "tls": settings.redis_tls,
        "ca_file": settings.redis_ca_file,
        "cert_file": settings.redis_cert_file,
        "key_file": settings.redis_key_file,
        "sentinels": _addresses(settings.redis_sentinels),
        "sentinel_master": settings.redis_sentinel_master,
        "sentinel_username": settings.redis_sentinel_username,
        "sentinel_password_file": settings.redis_sentinel_password_file,
    }


def _check_file(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            empty = not file.read().strip()
    except OSError as error:
        raise InvalidSetting(f"{name}={path!r}: cannot be read ({error.strerror})") from error
    if empty:
        raise InvalidSetting(f"{name}={path!r}: the file is empty")


def _check_together(settings: Settings) -> None:
    """Refuse what would be ignored in silence: a user without a password, certificates without TLS."""
    for user, password in (
        ("redis_username", "redis_password_file"),
        ("redis_sentinel_username", "redis_sentinel_password_file"),
        ("redis_cert_file", "redis_key_file"),
        ("redis_key_file", "redis_cert_file"),
    ):
        if getattr(settings, user) and not getattr(settings, password):
            raise InvalidSetting(f"{user.upper()} needs {password.upper()}")
    for file in ("redis_ca_file", "redis_cert_file"):
        if getattr(settings, file) and not settings.redis_tls:
            raise InvalidSetting(f"{file.upper()} needs REDIS_TLS=yes: without it nothing is encrypted")
    if settings.redis_sentinel_password_file and not settings.redis_sentinels:
        raise InvalidSetting("REDIS_SENTINEL_PASSWORD_FILE needs REDIS_SENTINELS")
    _addresses(settings.redis_sentinels)


def _addresses(text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for part in filter(None, text.split(",")):
        address = _ADDRESS.fullmatch(part.strip())
        if address is None or not 1 <= int(address[2]) <= _MAX_PORT:
            raise InvalidSetting(f"REDIS_SENTINELS={text!r}: expected host:port,host:port")
        found.append((address[1].strip("[]"), int(address[2])))
    return tuple(found)


def _parse(name: str, text: str, kind: type, about: Mapping[str, Any]) -> Any:
    shown = f"{name}={text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '…'!r}"
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
        raise InvalidSetting(f"{shown}: expected UTF-8 without control characters")
    if kind is bool:
        if text.lower() not in _YES + _NO:
            raise InvalidSetting(f"{shown}: expected yes or no")
        return text.lower() in _YES
    if kind is str:
        try:
            return about["read"](text) if about["read"] else text
        except ValueError as error:
            raise InvalidSetting(f"{shown}: expected {error}") from None
    return _parse_number(shown, text, kind, about["least"], about["most"])


def _parse_number(shown: str, text: str, kind: type, least: float, most: float | None) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise InvalidSetting(f"{shown}: expected {'a whole number' if kind is int else 'a number'}") from None
    if most is None:
        most = _MAX_COUNT if kind is int else _MAX_SECONDS
    if not value >= least:  # NaN too
        raise InvalidSetting(f"{shown}: expected {least:g} or more")
    if value > most:
        raise InvalidSetting(f"{shown}: expected {most:.0f} or less")
    return value
