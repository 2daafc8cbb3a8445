"""The settings: one table of name, default and help, read from the environment.

``load()`` reads and validates all of them. docs/settings.md is tested against ``TABLE``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from config.api_keys import read_keys
from config.setting_values import (
    MAX_PORT,
    InvalidSetting,
    check_file,
    parse_addresses,
    parse_host,
    parse_log_format,
    parse_log_level,
    parse_names,
    parse_queue_name,
    parse_rate,
    parse_source,
    parse_store,
    parse_value,
)

__all__ = [
    "LEAST_MEMORY_MB",
    "OLD_NAMES",
    "TABLE",
    "InvalidSetting",
    "Setting",
    "Settings",
    "api_address",
    "bracketed",
    "load",
    "load_or_exit",
    "old_names_in_use",
    "redis_auth_settings",
]


_REDIS_TAKES = 256 * 2**20
"""What is written with one command: Redis takes 512 MiB in one value, and 1 GiB in one command."""
LEAST_MEMORY_MB = 96
"""Analyses of the sample, and those that read in batches, run with it on a few cores; on 64 cores it takes 160."""
_MAX_DATABASE = 9999
_MAX_MIB = 2**30  # a PiB
_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
_MAX_PROCESSES = 4096


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

    redis_ip: str = _setting("127.0.0.1", "Host of the Redis server.", read=parse_host)
    redis_port: int = _setting(6379, "Port of the Redis server.", least=1, most=MAX_PORT)
    redis_db: int = _setting(0, "Database of the job records and the dataset.", least=0, most=_MAX_DATABASE)
    queue_db: int = _setting(
        1, "Database of the queue; the same number as `REDIS_DB` works too.", least=0, most=_MAX_DATABASE
    )
    queue_name: str = _setting(
        "queue", "Name of the HotQueue: ids wait in the list `hotqueue:<name>`.", read=parse_queue_name
    )
    redis_username: str = _setting("", "User of the Redis server; empty is its default user.")
    redis_password_file: str = _setting(
        "", "File with the user's password, read again for each connection.", secret=True
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

    api_host: str = _setting("127.0.0.1", "Address that the API listens on.", read=parse_host)
    api_port: int = _setting(5000, "Port that the API listens on.", least=1, most=MAX_PORT)
    api_processes: int = _setting(
        0, "Processes of the API; 0 is one per core, 4 at most.", least=0, most=_MAX_PROCESSES
    )
    api_threads: int = _setting(
        96,
        "Threads of each API process; all but 16 of them may hold waiting clients.",
        least=20,
        most=_MAX_PROCESSES,
    )
    allowed_hosts: str = _setting(
        "localhost,127.0.0.1,[::1]", "Names, comma-separated, that the `Host` header may carry.", read=parse_names
    )
    api_keys_file: str = _setting(
        "",
        "File with the API keys, one `name role sha256-of-key` a line, read again when it changes; without it, anyone "
        "may do everything.",
        secret=True,
    )
    rate_limit: str = _setting(
        "", "Requests that each API key may send, such as `600/minute`; empty is no limit.", read=parse_rate
    )
    max_unfinished_jobs: int = _setting(0, "Unfinished jobs that each API key may have; 0 is no limit.", least=0)
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
    data_source: str = _setting(
        "",
        "File, or http(s) address, that an empty `POST /data` loads, and the API at its start if nothing is loaded.",
        read=parse_source,
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
    dataset_files_mb: int = _setting(
        4096,
        "Disk for temporary files of datasets, which all processes of a host map into memory, in MiB; 0 is none: each "
        "process has a copy.",
        least=0,
        most=_MAX_MIB,
    )
    dataset_store: str = _setting(
        "",
        "Where the rows of datasets are kept, `s3://BUCKET/PREFIX` or a folder that all hosts share, for datasets "
        "larger than the memory of a worker; empty is Redis.",
        read=parse_store,
    )
    max_jobs_bytes: int = _setting(
        16 * 2**20,
        "Largest body of `POST /jobs`, and of records, in bytes; at most a tenth of `REQUEST_MEMORY_MB`.",
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
    lease_seconds: float = _setting(
        15.0, "Seconds without a heartbeat until a worker or an operation is taken over.", least=1
    )
    drain_seconds: float = _setting(
        30.0, "Seconds that a stopping worker lets its jobs run before it gives them back.", least=0
    )
    max_reserved_jobs: int = _setting(
        64,
        "Most jobs that a worker process reserves for itself while jobs take milliseconds; 0 is none.",
        least=0,
        most=100,
    )
    max_jobs_per_child: int = _setting(
        100_000, "Jobs after which a child is replaced by a fresh process; 0 is never.", least=0
    )
    memory_limit_mb: int = _setting(
        0,
        "Memory in MiB that a child may use with all processes of its analysis; 0 is unlimited.",
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

    reload: bool = _setting(
        False, "Whether files of analyses that were added, changed or removed are loaded without a restart."
    )
    health_file: str = _setting(
        "", "File that the worker stamps with each round of its loop, for `python -m ops.health worker`; empty is none."
    )

    metrics_host: str = _setting("127.0.0.1", "Address on which a worker serves its metrics.", read=parse_host)
    metrics_port: int = _setting(
        0, "Port on which a worker serves its metrics, for Prometheus; 0 is none.", least=0, most=MAX_PORT
    )

    backup_dir: str = _setting("./backups", "Folder of the back-ups.")
    backup_store: str = _setting(
        "",
        "Where each back-up is copied, `s3://BUCKET/PREFIX` or a folder of another host; empty is nowhere.",
        read=parse_store,
    )
    backup_keep: int = _setting(14, "Back-ups that are kept, the newest ones, in each place.", least=1)
    backup_interval_seconds: float = _setting(
        86400.0, "Seconds between two back-ups of `python -m ops.backup every`.", least=1
    )

    restore_port: int = _setting(
        0, "Port from which Redis fetches a snapshot that is restored; 0 is any.", least=0, most=MAX_PORT
    )

    data_dir: str = _setting("./var", "Folder where `make run` keeps the state of its Redis.")
    redis_server: str = _setting("", "Server program that `make run` starts; empty is the installed valkey-server.")
    log_level: str = _setting("INFO", "Least severe level that is logged.", read=parse_log_level)
    log_format: str = _setting(
        "text", "Format of the log: `text`, or `json` for an object per line.", read=parse_log_format
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table."""

    name: str
    default: Any
    help: str


TABLE = tuple(
    Setting(f.name.upper(), "no" if f.default is False else f.default, f.metadata["help"]) for f in fields(Settings)
)


OLD_NAMES = {"STANDBY_CHILDREN": "SPARE_CHILDREN", "BACKUP_INTERVAL_SECONDS": "BACKUP_EVERY_SECONDS"}
"""Settings that were renamed: the old name is read where the new one is not set, for one release."""


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from ``environ``; an empty value is the default, but a secret's is refused.

    :raises InvalidSetting: naming the setting and what it expects.
    """
    values = {}
    for f in fields(Settings):
        name = f.name.upper()
        used = old_names_in_use(environ).get(name, name)
        text = environ.get(used, "").strip()
        if text:
            values[f.name] = parse_value(used, text, type(f.default), f.metadata)
            if f.metadata["file"]:
                check_file(name, text)
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
    if settings.api_keys_file:
        read_keys(settings.api_keys_file)
    return settings


def old_names_in_use(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the settings, new name to old, that ``load`` reads under their old names."""
    return {
        name: old
        for name, old in OLD_NAMES.items()
        if environ.get(old, "").strip() and not environ.get(name, "").strip()
    }


def load_or_exit() -> Settings:
    """Read the settings for a program; an invalid one ends it with one sentence on standard error and status 2."""
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
    """Return a host as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def redis_auth_settings(settings: Settings) -> dict[str, Any]:
    """Return the arguments of :class:`jobstore.RedisAuth`."""
    return {
        "username": settings.redis_username,
        "password_file": settings.redis_password_file,
        "tls": settings.redis_tls,
        "ca_file": settings.redis_ca_file,
        "cert_file": settings.redis_cert_file,
        "key_file": settings.redis_key_file,
        "sentinels": parse_addresses(settings.redis_sentinels),
        "sentinel_master": settings.redis_sentinel_master,
        "sentinel_username": settings.redis_sentinel_username,
        "sentinel_password_file": settings.redis_sentinel_password_file,
    }


def _check_together(settings: Settings) -> None:
    """Reject settings that would be ignored silently: a user without a password, certificates without TLS."""
    for needing, needed in (
        ("redis_username", "redis_password_file"),
        ("redis_sentinel_username", "redis_sentinel_password_file"),
        ("redis_cert_file", "redis_key_file"),
        ("redis_key_file", "redis_cert_file"),
        ("rate_limit", "api_keys_file"),
        ("max_unfinished_jobs", "api_keys_file"),
    ):
        if getattr(settings, needing) and not getattr(settings, needed):
            raise InvalidSetting(f"{needing.upper()} needs {needed.upper()}")
    for file in ("redis_ca_file", "redis_cert_file"):
        if getattr(settings, file) and not settings.redis_tls:
            raise InvalidSetting(f"{file.upper()} needs REDIS_TLS=yes: without it nothing is encrypted")
    if settings.redis_sentinel_password_file and not settings.redis_sentinels:
        raise InvalidSetting("REDIS_SENTINEL_PASSWORD_FILE needs REDIS_SENTINELS")
    parse_addresses(settings.redis_sentinels)
