"""Settings: what they are, where they come from, how they are shown."""

from .errors import ConfigError
from .load import Loaded, Origin, load, reason_of
from .tables import Config

__all__ = ["Config", "ConfigError", "Loaded", "Origin", "load", "reason_of"]
