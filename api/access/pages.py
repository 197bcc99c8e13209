"""The explorer's page of a key: sign in, see what its tasks have cost, sign out."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from infernet.chain.records import Wei

from ..explorer.rendering import ROOT, problem, still
from .csrf import FIELD, require_form
from .errors import AccessError, BadForm, Unauthenticated
from .guard import Access, address_of
from .sessions import Session, Sessions, drop_cookie, set_cookie

PLACE = f"{ROOT}/account"
SIGN_IN, SIGN_OUT = f"{PLACE}/sign-in", f"{PLACE}/sign-out"
_MOST_FORM_BYTES, _MOST_FIELDS = 4_096, 8
_FORM_TYPE = "application/x-www-form-urlencoded"
# A form whose page sends no referrer comes without its origin, and so would be refused.
_HEADERS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}


def account_router(access: Access, spent: Callable[[str], Wei]) -> APIRouter:
    """Return the routes; they have to come before the explorer's own, which take every address.

    `spent`: what the tasks of a key have cost.
    """
    pages = _Pages(access, spent)
    router = APIRouter(include_in_schema=False)
    router.add_api_route(PLACE, pages.show, methods=["GET"])
    router.add_api_route(SIGN_IN, pages.sign_in, methods=["POST"])
    router.add_api_route(SIGN_OUT, pages.sign_out, methods=["POST"])
    return router


class _Pages:
    def __init__(self, access: Access, spent: Callable[[str], Wei]) -> None:
        self._access, self._spent = access, spent
        self._sessions = Sessions(access.limits)

    async def show(self, request: Request) -> Response:
        """Show the key that is signed in, or the form for one."""
        session = self._sessions.of(request)
        try:
            if session is None or session.key_id is None:
                self._access.count_address(address_of(request))
                return self._ask(request, session or self._sessions.begin())
            self._access.identify_session(session.key_id)
            key = self._access.keys.still(session.key_id)
        except Unauthenticated as error:
            assert session is not None
            self._sessions.end(session)
            return self._ask(request, self._sessions.begin(), str(error))
        except AccessError as error:
            return _refused(request, error)
        token = self._sessions.show_form(session, SIGN_OUT)
        spent = self._spent(key.id)
        return _with_headers(still("account.html", key=key, spent_wei=spent, token=token))

    async def sign_in(self, request: Request) -> Response:
        """Begin a session for a key, in place of the one that showed the form."""
        try:
            fields = await fields_of(request)
            guest = self._sessions.of(request)
            session = require_form(request, guest, SIGN_IN, fields.get(FIELD, ""))
            try:
                caller = self._access.identify(fields.get("key", ""), address_of(request))
            except Unauthenticated as error:
                return self._ask(request, session, str(error))
        except AccessError as error:
            return _refused(request, error)
        answer = RedirectResponse(PLACE, HTTPStatus.SEE_OTHER, _HEADERS)
        set_cookie(request, answer, self._sessions.sign_in(session, caller.key_id))
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        try:
            fields = await fields_of(request)
            session = self._sessions.of(request)
            self._sessions.end(require_form(request, session, SIGN_OUT, fields.get(FIELD, "")))
        except AccessError as error:
            return _refused(request, error)
        answer = RedirectResponse(ROOT, HTTPStatus.SEE_OTHER, _HEADERS)
        drop_cookie(request, answer)
        return answer

    def _ask(self, request: Request, session: Session, fault: str = "") -> Response:
        token = self._sessions.show_form(session, SIGN_IN)
        status = HTTPStatus.UNAUTHORIZED if fault else HTTPStatus.OK
        answer = _with_headers(still("sign_in.html", status, token=token, fault=fault))
        set_cookie(request, answer, session)
        return answer


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent; raises BadForm for anything else."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM_TYPE or len(body) > _MOST_FORM_BYTES:
        raise BadForm("this is not what the form of this page sends; open it and send it again")
    try:
        found = parse_qs(body.decode(), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadForm("the form cannot be read; open the page again and send it again") from None
    return {name: lines[0] for name, lines in found.items() if len(lines) == 1}


def _refused(request: Request, error: AccessError) -> Response:
    found = _with_headers(
        problem(request, error.status, HTTPStatus(error.status).phrase, str(error))
    )
    found.headers.update(error.headers)
    return found


def _with_headers(answer: Response) -> Response:
    answer.headers.update(_HEADERS)
    return answer
