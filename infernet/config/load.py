"""Put settings together: a flag beats the environment, that the file, that the default."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .tables import Config, Setting

FILE_NAME = "miner.toml"
FILE_VARIABLE = "INFERNET_CONFIG"


class Origin(StrEnum):
    """Where a value came from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the origin of each, by `table.key`. `file`: None if there was none."""

    config: Config
    origins: Mapping[str, Origin]
    file: Path | None


@dataclass(frozen=True, slots=True)
class Name:
    """A setting's names."""

    table: str
    key: str
    setting: Setting = field(compare=False)

    def __str__(self) -> str:
        return f"{self.table}.{self.key}"

    @property
    def variable(self) -> str:
        """Return its name in the environment."""
        table = "" if self.table == "infernet" else f"{self.table.upper()}_"
        return self.setting.variable or f"INFERNET_{table}{self.key.upper()}"


def names() -> Iterator[Name]:
    """Return every setting there is, in the order of the file."""
    for table in fields(Config):
        for key in fields(_table(table.name)):
            yield Name(table.name, key.name, key.metadata["setting"])


def load(
    file: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the settings of this process, or raise ConfigError.

    `file`: default INFERNET_CONFIG, then miner.toml in the working folder if there is one. `flags`:
    values by `table.key`; None is a flag that was not given.
    """
    around = os.environ if environment is None else environment
    place = _place(file, around)
    content = _read_file(place) if place else {}
    _refuse_unknown(content, place)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    found: dict[str, dict[str, Any]] = {}
    origins = {}
    for name in names():
        origin, value = _first(name, given, around, content)
        origins[str(name)] = origin
        if origin is not Origin.DEFAULT:
            value = _checked(name, origin, value, place)
            if origin is Origin.FILE and isinstance(value, Path) and place:
                # A file's paths are relative to the file, not to whoever reads it.
                value = place.parent / value
            found.setdefault(name.table, {})[name.key] = value
    tables = {t.name: _table(t.name)(**found.get(t.name, {})) for t in fields(Config)}
    return Loaded(Config(**tables), origins, place)


def _first(
    name: Name, flags: Mapping[str, object], around: Mapping[str, str], content: dict[str, Any]
) -> tuple[Origin, object]:
    if str(name) in flags:
        return Origin.FLAG, flags[str(name)]
    if around.get(name.variable):
        return Origin.ENVIRONMENT, around[name.variable]
    table = content.get(name.table, {})
    if name.key in table:
        return Origin.FILE, table[name.key]
    return Origin.DEFAULT, None


def _checked(name: Name, origin: Origin, value: object, place: Path | None) -> object:
    try:
        return name.setting.read(value)
    except ValueError as error:
        where = {
            Origin.FLAG: f"the flag for {name}",
            Origin.ENVIRONMENT: name.variable,
            Origin.FILE: f"{place}: {name}",
        }[origin]
        # A masked setting may hold a key, so its value stays unsaid.
        shown = "what is set" if name.setting.mask else f"{_shown(value)}"
        raise ConfigError(f"{where} is {shown}; it has to be {error}") from None


def _place(file: Path | None, around: Mapping[str, str]) -> Path | None:
    if file is None and around.get(FILE_VARIABLE):
        file = Path(around[FILE_VARIABLE])
    if file is not None:
        return file
    here = Path(FILE_NAME)
    return here if here.is_file() else None


def _read_file(place: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(place.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(
            f"{place} does not exist; make one with `infernet miner init`, or name another with "
            "--config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place} cannot be read: {reason_of(error)}") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        # Besides what its own error says, the parser lets through what numbers and depth raise.
        raise ConfigError(f"{place} is not TOML: {error}") from None


def _refuse_unknown(content: Mapping[str, object], place: Path | None) -> None:
    known = {
        table.name: [key.name for key in fields(_table(table.name))] for table in fields(Config)
    }
    for table, keys in content.items():
        if table not in known:
            raise ConfigError(f"{place}: [{table}] is not known; {_nearest(table, known, '[{}]')}")
        if not isinstance(keys, dict):
            raise ConfigError(f"{place}: {table} is a table; write [{table}] and its keys below")
        for key in keys:
            if _looks_like_a_key(key):
                raise ConfigError(
                    f"{place}: {table}.{key} looks like a private key or passphrase; take it out "
                    "and name an encrypted keystore in [wallet] keystore instead"
                )
            if key not in known[table]:
                pattern = "{}"
                others = known[table]
                advice = _nearest(key, others, pattern)
                raise ConfigError(f"{place}: {table}.{key} is not known; {advice}")


def _looks_like_a_key(key: str) -> bool:
    plain = key.lower().replace("-", "_")
    return plain in {"private_key", "key", "secret", "mnemonic", "seed", "password", "passphrase"}


def _nearest(word: str, known: Mapping[str, object] | list[str], pattern: str) -> str:
    close = difflib.get_close_matches(word.lower(), known, 1, 0.5)
    if close:
        return f"did you mean {pattern.format(close[0])}?"
    return f"there are {', '.join(pattern.format(name) for name in known)}"


def _table(name: str) -> Any:
    (found,) = [item for item in fields(Config) if item.name == name]
    return found.default_factory


def _shown(value: object) -> str:
    return repr(str(value) if isinstance(value, Decimal) else value)


def reason_of(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read, without its path."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not text"
