"""Certificates of the hosts, from an authority of their own, by ``openssl``."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["AUTHORITY", "issue", "make_authority"]

AUTHORITY, _AUTHORITY_KEY = "ca.crt", "ca.key"
_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


def make_authority(folder: Path) -> None:
    """Make the certificate that all hosts trust."""
    _openssl(folder, f"req -x509 {_KEY} -days 2 -keyout {_AUTHORITY_KEY} -out {AUTHORITY} -subj /CN=authority")


def issue(folder: Path, name: str, address: str) -> None:
    """Make ``NAME.crt`` and ``NAME.key`` for the host with this address, which proves itself by them to all others."""
    (folder / f"{name}.ext").write_text(f"subjectAltName=IP:{address}\n")
    _openssl(folder, f"req {_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}")
    signed = f"-CA {AUTHORITY} -CAkey {_AUTHORITY_KEY} -CAcreateserial -days 2 -extfile {name}.ext"
    _openssl(folder, f"x509 -req -in {name}.csr -out {name}.crt {signed}")


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
