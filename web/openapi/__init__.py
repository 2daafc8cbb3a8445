"""The OpenAPI document of the routes, and its page."""

from web.openapi.routes import install

__all__ = ["install"]
