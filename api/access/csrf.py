"""Whether a form was sent from a page that this gateway showed to the same browser, and once."""

from __future__ import annotations

from hmac import compare_digest

from fastapi import Request

from .errors import BadForm
from .sessions import Session

FIELD = "token"


def require_form(request: Request, session: Session | None, action: str, token: str) -> Session:
    """Return the session of a form that was sent, whose token is thereby used up.

    Raises BadForm if it comes from another site, session or action, or a second time.
    """
    _require_own_page(request)
    if session is None:
        raise BadForm("your session has ended; open the page again and send the form again")
    # Compares with each: how long it takes says nothing of any.
    sent = token.encode("utf-8", "surrogatepass")
    found = [each for each in session.forms if compare_digest(each.encode(), sent)]
    if not found or session.forms.pop(found[0]) != action:
        raise BadForm(
            "this form was sent before, or is too old; open the page again and send it again"
        )
    return session


def _require_own_page(request: Request) -> None:
    """Believe what browsers say of where a request comes from; pages cannot forge it."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site == "same-origin"
    else:
        is_own = origin == f"{request.url.scheme}://{request.headers.get('host', '')}"
    if not is_own:
        raise BadForm("this form was not sent from a page of this gateway; open it here")
