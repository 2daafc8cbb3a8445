"""What the key of the current request may do. Without keys everything is allowed."""

from __future__ import annotations

from typing import Any

import jobs
from web.auth.identity import Role, current_key
from web.problems import Problem

__all__ = ["may", "may_act_on", "require", "require_owner", "require_owner_of"]

_ORDER = tuple(Role)


def may(role: Role) -> bool:
    """Return whether the key has this role, or one that includes it."""
    key = current_key()
    return key is None or _ORDER.index(key.role) >= _ORDER.index(role)


def may_act_on(job: jobs.Job | dict[str, Any]) -> bool:
    """Return whether the key may cancel, retry and delete this job: `submit` its own ones, `admin` all."""
    key = current_key()
    return may(Role.ADMIN) or (may(Role.SUBMIT) and key is not None and job["owner"] == key.name)


def require(role: Role) -> None:
    """Refuse a key without this role.

    :raises Problem: 403 ``forbidden``.
    """
    if not may(role):
        key = current_key()
        held = key.role if key else ""
        raise Problem("forbidden", f"This needs a key of the role {role}; yours has the role {held}.")


def require_owner(job: jobs.Job | dict[str, Any]) -> None:
    """Refuse a key that may not cancel, retry and delete this job.

    :raises Problem: 403 ``forbidden``.
    """
    require(Role.SUBMIT)
    if not may_act_on(job):
        raise Problem("forbidden", "The job belongs to another key: use its key, or one of the role admin.")


def require_owner_of(jid: str) -> None:
    """Refuse a key that may not cancel, retry and delete the job with this id; reads the job only where it must.

    :raises Problem: 403 ``forbidden``.
    :raises jobs.JobNotFound: there is no such job.
    """
    if not may(Role.ADMIN):
        require_owner(jobs.get_job_by_id(jid))
