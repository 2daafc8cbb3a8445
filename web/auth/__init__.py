"""API keys: who sends a request, and what the role of its key allows."""

from web.auth.identity import Key, Role, current_key, owner

__all__ = ["Key", "Role", "current_key", "owner"]
