"""The settings: one table of name, default and help, read from the environment.

``load()`` reads and checks them all; the README's table and ``make help-settings`` come from ``TABLE``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["TABLE", "InvalidSetting", "Setting", "Settings", "load"]


_REDIS_TAKES = 256 * 2**20
"""What is written with one command: Redis takes 512 MiB in one value, and 1 GiB in one command."""
_LEAST_MEMORY_MB = 128


class InvalidSetting(ValueError):
    """A setting's value cannot be used; the message names it and says what is expected."""


def _setting(default: Any, help: str, *, least: float | None = None, most: float | None = None) -> Any:
    return field(default=default, metadata={"help": help, "least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting as a typed attribute; the environment's name is the attribute's in capitals."""

    redis_ip: str = _setting("127.0.0.1", "Host of the Redis server.")
    redis_port: int = _setting(6379, "Port of the Redis server.", least=1)
    redis_db: int = _setting(0, "Database of the job records and the dataset.", least=0)
    queue_db: int = _setting(1, "Database of the queue; the same number as `REDIS_DB` works too.", least=0)
    queue_name: str = _setting("queue", "Name of the HotQueue: ids wait in the list `hotqueue:<name>`.")

    api_host: str = _setting("127.0.0.1", "Address that the API listens on.")
    api_port: int = _setting(5000, "Port that the API listens on.", least=1)
    api_threads: int = _setting(
        96, "Threads of the API process; all but 16 of them may hold waiting clients.", least=20
    )
    allowed_hosts: str = _setting(
        "localhost,127.0.0.1,[::1]", "Names, comma-separated, that the `Host` header may carry."
    )
    max_body_bytes: int = _setting(256 * 2**20, "Largest body of `POST /data`, unpacked, in bytes.", least=1)
    max_jobs_bytes: int = _setting(16 * 2**20, "Largest body of `POST /jobs`, in bytes.", least=1, most=_REDIS_TAKES)

    workers: int = _setting(0, "Children of one worker process; 0 is one per core.", least=0)
    lease_seconds: float = _setting(15.0, "Seconds without a heartbeat until a worker is taken for lost.", least=1)
    drain_seconds: float = _setting(
        30.0, "Seconds that a stopping worker lets its jobs run before it gives them back.", least=0
    )
    max_jobs_per_child: int = _setting(
        100_000, "Jobs after which a child is replaced by a fresh process; 0 is never.", least=0
    )
    memory_limit_mb: int = _setting(
        0, "Memory that one child, with all that its analysis starts, may use, in MiB; 0 is no limit.", least=0
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

    data_dir: str = _setting("./var", "Folder where `make run` keeps the state of its Redis.")
    redis_server: str = _setting("", "Server program that `make run` starts; empty is the installed valkey-server.")
    log_level: str = _setting("INFO", "Least severe level that is logged.")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table."""

    name: str
    default: Any
    help: str


TABLE = tuple(Setting(f.name.upper(), f.default, f.metadata["help"]) for f in fields(Settings))


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from ``environ``; an empty value is the default.

    :raises InvalidSetting: naming the setting and what it expects.
    """
    values = {}
    for f in fields(Settings):
        text = environ.get(f.name.upper(), "").strip()
        if text:
            values[f.name] = _parse(f.name.upper(), text, type(f.default), f.metadata)
    settings = Settings(**values)
    if 0 < settings.memory_limit_mb < _LEAST_MEMORY_MB:
        raise InvalidSetting(f"MEMORY_LIMIT_MB={settings.memory_limit_mb}: expected 0, or {_LEAST_MEMORY_MB} or more")
    return settings


def _parse(name: str, text: str, kind: type, about: Mapping[str, Any]) -> Any:
    try:
        value = kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise InvalidSetting(f"{name}={text!r}: expected {expected}") from None
    least, most = about["least"], about["most"]
    if least is not None and not value >= least:
        raise InvalidSetting(f"{name}={text!r}: expected {least:g} or more")
    if most is not None and not value <= most:
        raise InvalidSetting(f"{name}={text!r}: expected {most:.0f} or less")
    return value
