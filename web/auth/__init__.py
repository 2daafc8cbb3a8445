"""API keys: who sends a request, and what the role of its key allows."""

from web.auth.identity import Key, Role, current_key, owner, validity_check
from web.auth.permissions import may, may_act_on, require, require_owner, require_owner_of

__all__ = [
    "Key",
    "Role",
    "current_key",
    "may",
    "may_act_on",
    "owner",
    "require",
    "require_owner",
    "require_owner_of",
    "validity_check",
]
