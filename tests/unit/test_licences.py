"""No dependency comes in with a licence that is not accepted, and the page says what there is."""

from __future__ import annotations

import sys

import pytest

from tests import licences
from tests.licences import Dependency, NotInstalled

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the page lists Linux's packages")


def test_every_licence_is_accepted() -> None:
    found = [*licences.closure(licences.direct()), *licences.of_contracts()]
    assert len(found) > 50
    assert [one for one in found if not one.is_accepted] == []


@needs_linux
def test_the_page_is_current() -> None:
    try:
        wanted = licences.page()
    except NotInstalled as error:
        pytest.skip(str(error))
    assert licences.PAGE.read_text() == wanted, "run python -m tests.licences --write"


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR AGPL-3.0-only) AND MPL-2.0", True),
        ("AGPL-3.0-only", False),
        ("not stated", False),
    ],
)
def test_acceptance_of_expressions(licence: str, accepted: bool) -> None:
    assert Dependency("some", licence).is_accepted is accepted
