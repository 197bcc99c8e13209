"""The gateway of the routes' tests, for clients."""

from tests.api.routes.conftest import counter

__all__ = ["counter"]
