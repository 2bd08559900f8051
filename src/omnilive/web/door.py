"""Coming in: the link with the token becomes a cookie, programs send the token as Bearer."""

from __future__ import annotations

import hashlib
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from omnilive.web.errors import Refusal, too_many
from omnilive.web.tokens import LOGIN_S, Guesses, Tokens


class Door:
    """Knows who may come in, and how often one may guess.

    Args:
        tokens: who may come in.
        guesses: counts wrong tokens.
        secure: whether the page is reached over TLS, so that the cookie may say so.
    """

    def __init__(
        self, tokens: Tokens, *, guesses: Guesses | None = None, secure: bool = False
    ) -> None:
        self._tokens = tokens
        self._guesses = guesses or Guesses()
        self._secure = secure

    def identify(self, headers: Headers, address: str) -> str:
        """Return who asks, as a name for the limits.

        Raises:
            Refusal: nobody who may come in, or too many wrong tokens came from there.
        """
        if self._tokens.is_cookie(self._cookie(headers)):
            return f"{address} page"
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refusal(
                401,
                "unauthorized",
                "Open the link that `omnilive serve` printed, or send its token as "
                "`Authorization: Bearer TOKEN`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        self._check(given.strip(), address)
        return f"{address} program"

    def follow(self, token: str, headers: Headers, address: str) -> Response:
        """Answer the link with a cookie, and with an address that has no token in it."""
        target = "/"
        if not self._tokens.is_cookie(self._cookie(headers)):
            try:
                self._check(token, address)
            except Refusal as refusal:
                if refusal.status == 429:
                    raise
                target = "/?login=failed"  # the page says that the link is too old
        response = RedirectResponse(target, 303)
        if target == "/":
            self._let_in(response, headers)
        return response

    def log_in(self, token: str, headers: Headers, address: str) -> Response:
        """Answer a token that was typed into the page.

        Raises:
            Refusal: it is wrong, or too many wrong ones came from there.
        """
        self._check(token, address)
        response = Response(status_code=204)
        self._let_in(response, headers)
        return response

    def log_out(self, headers: Headers) -> Response:
        """Take the login of this browser back."""
        response = Response(status_code=204)
        response.delete_cookie(
            self._name(headers), path="/", secure=self._secure, httponly=True, samesite="strict"
        )
        return response

    def forgive(self) -> None:
        """Forget the wrong tokens that came so far."""
        self._guesses.clear()

    def _check(self, token: str, address: str) -> None:
        wait_s = self._guesses.wait_s(address)
        if wait_s:
            raise too_many("Too many wrong tokens came from here; wait a minute.", wait_s)
        if not self._tokens.is_token(token):
            self._guesses.note_wrong(address)
            raise Refusal(
                401,
                "unauthorized",
                "That is not the token; `omnilive serve` prints it when it starts.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _let_in(self, response: Response, headers: Headers) -> None:
        response.set_cookie(
            self._name(headers),
            self._tokens.make_cookie(),
            max_age=LOGIN_S,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def _cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._name(headers))
        except CookieError:
            return ""
        return found.value if found is not None else ""

    def _name(self, headers: Headers) -> str:
        """Cookies know no ports: two servers of one machine must not overwrite each other's."""
        host = hashlib.sha256(headers.get("host", "").lower().encode()).hexdigest()[:8]
        return f"__Host-omnilive-{host}" if self._secure else f"omnilive-{host}"
