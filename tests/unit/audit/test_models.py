"""Models by their roots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infernet.audit.errors import UnknownMatter
from infernet.audit.models import model_of


def test_a_root_that_no_model_has_says_where_models_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    place = re.escape(str(tmp_path / "models"))
    with pytest.raises(UnknownMatter, match=rf"no model in {place} .*INFERNET_DATA_DIR"):
        model_of(bytes(32))
