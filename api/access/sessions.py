"""Who has signed in on the pages, and which forms this gateway showed to whom.

Sessions live in memory: a restart signs everybody out and breaks nothing. Their cookie opens pages
alone; routes of the API take keys, so no other site's form can reach them.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from fastapi import Request, Response

from .limits import Limits

_MOST_FORMS = 32


@dataclass(slots=True)
class Session:
    """One browser. `key_id`: what it signed in with, None: nothing yet.

    `ends_at`: in seconds of the sessions' clock. `forms`: tokens of forms that were shown and not
    sent yet, with what each is for.
    """

    id: str
    key_id: str | None
    ends_at: float
    forms: OrderedDict[str, str] = field(default_factory=OrderedDict)


class Sessions:
    """The sessions of all browsers; used on the event loop alone."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        # Apart, so that a flood of strangers signs nobody out.
        self._guests: OrderedDict[bytes, Session] = OrderedDict()
        self._members: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._guests) + len(self._members)

    def begin(self, key_id: str | None = None) -> Session:
        """Begin a session; the one unused for longest ends if there are too many."""
        end = self._clock() + self._limits.session_seconds
        session = Session(secrets.token_urlsafe(32), key_id, end)
        kept = self._guests if key_id is None else self._members
        kept[_place(session.id)] = session
        if len(kept) > self._limits.most_sessions:
            kept.popitem(last=False)
        return session

    def sign_in(self, session: Session, key_id: str) -> Session:
        """Return a session of a key in place of another.

        Its id is new: nobody who knew the old one is signed in with it.
        """
        self.end(session)
        return self.begin(key_id)

    def end(self, session: Session) -> None:
        """End a session, with all its forms."""
        for kept in (self._guests, self._members):
            kept.pop(_place(session.id), None)

    def of(self, request: Request) -> Session | None:
        """Return the session whose cookie a request carries, None for none, or an ended one.

        Two cookies of the name are none: another site under the same domain may have set one.
        """
        name = f"{_cookie_name(request)}="
        parts = request.headers.get("cookie", "").split(";")
        shown = [part.strip() for part in parts if part.strip().startswith(name)]
        if len(shown) != 1:
            return None
        # By its hash: how long the search takes says nothing of the ids that exist.
        place = _place(shown[0].removeprefix(name))
        for kept in (self._guests, self._members):
            session = kept.get(place)
            if session is None:
                continue
            if self._clock() >= session.ends_at:
                del kept[place]
                return None
            kept.move_to_end(place)
            return session
        return None

    def show_form(self, session: Session, action: str) -> str:
        """Return the token for a form that is about to be shown; the latest 32 are good."""
        token = secrets.token_urlsafe(32)
        session.forms[token] = action
        if len(session.forms) > _MOST_FORMS:
            session.forms.popitem(last=False)
        return token


def set_cookie(request: Request, response: Response, session: Session) -> None:
    """Have a browser keep a session until it is closed."""
    response.set_cookie(
        _cookie_name(request),
        session.id,
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def drop_cookie(request: Request, response: Response) -> None:
    """Have a browser forget its session."""
    response.delete_cookie(
        _cookie_name(request), path="/", secure=_is_https(request), httponly=True, samesite="strict"
    )


def _cookie_name(request: Request) -> str:
    # Browsers take a cookie of this prefix only over https, and from this very host.
    return "__Host-infernet" if _is_https(request) else "infernet"


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def _place(id_: str) -> bytes:
    return sha256(id_.encode("utf-8", "surrogatepass")).digest()
