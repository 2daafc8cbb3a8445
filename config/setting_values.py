"""The values of settings: from the text of an environment variable to a checked value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "MAX_PORT",
    "InvalidSetting",
    "check_file",
    "parse_addresses",
    "parse_host",
    "parse_log_format",
    "parse_log_level",
    "parse_names",
    "parse_queue_name",
    "parse_rate",
    "parse_source",
    "parse_value",
]

MAX_PORT = 65535
_MAX_COUNT = 2**53  # the largest integer that Redis' Lua represents exactly
_MAX_SECONDS = 100 * 365 * 86400.0
_LOG_FORMATS = ("text", "json")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_ADDRESS = re.compile(r"([^\s:,\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_RATE = re.compile(r"[1-9]\d{0,8}/(second|minute|hour|day)", re.ASCII)
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._/-]*)?")
_EMPTY_OR_DOTS = re.compile(r"/\.{0,2}/")
_QUEUE_NAME = re.compile(r"[\w.:-]{1,200}")
_SHOWN_CHARACTERS = 60


class InvalidSetting(ValueError):
    """A setting's value cannot be used; the message names it and the expected values."""


def parse_host(text: str) -> str:
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


def parse_names(text: str) -> str:
    if not all(name.strip() for name in text.split(",")):
        raise ValueError("names, separated by commas")
    return text


def parse_log_format(text: str) -> str:
    if text.lower() not in _LOG_FORMATS:
        raise ValueError(f"one of {', '.join(_LOG_FORMATS)}")
    return text.lower()


def parse_log_level(text: str) -> str:
    if text.upper() not in _LOG_LEVELS:
        raise ValueError(f"one of {', '.join(_LOG_LEVELS)}")
    return text.upper()


def parse_queue_name(text: str) -> str:
    if not _QUEUE_NAME.fullmatch(text):
        raise ValueError("letters, digits and any of _ . : -")
    return text


def parse_rate(text: str) -> str:
    """Return a rate as the package ``limits`` reads it."""
    if not _RATE.fullmatch(text):
        raise ValueError("requests per second, minute, hour or day, such as 600/minute")
    return text


def parse_source(text: str) -> str:
    """Return the path of a file, or an http(s) address without a user and a password."""
    if "://" in text:
        try:
            url = urlsplit(text)
            is_valid = bool(url.hostname) and url.port != 0 and url.username is None and text.isascii()
        except ValueError:
            is_valid = False
        if not is_valid or " " in text or url.scheme not in ("http", "https"):
            raise ValueError("a file, or an http:// or https:// address without user and password")
    return text


def parse_store(text: str) -> str:
    """Return an absolute path, or the address of a bucket."""
    text = text.removeprefix("file://")
    bucket = _BUCKET.fullmatch(text)
    # obstore refuses an empty part. It drops . and .. when it writes, but polars refuses to read them.
    if bucket and _EMPTY_OR_DOTS.search((bucket[1] or "").rstrip("/") + "/"):
        raise ValueError("s3://BUCKET/PREFIX, no part of which is empty, . or ..")
    if not bucket and not (text.startswith("/") and "://" not in text):
        raise ValueError("s3://BUCKET/PREFIX, or the absolute path of a folder")
    return text


def check_file(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            empty = not file.read().strip()
    except OSError as error:
        raise InvalidSetting(f"{name}={path!r}: cannot be read ({error.strerror})") from error
    if empty:
        raise InvalidSetting(f"{name}={path!r}: the file is empty")


def parse_addresses(text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for part in filter(None, text.split(",")):
        address = _ADDRESS.fullmatch(part.strip())
        if address is None or not 1 <= int(address[2]) <= MAX_PORT:
            raise InvalidSetting(f"REDIS_SENTINELS={text!r}: expected host:port,host:port")
        found.append((address[1].strip("[]"), int(address[2])))
    return tuple(found)


def parse_value(name: str, text: str, kind: type, about: Mapping[str, Any]) -> Any:
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
