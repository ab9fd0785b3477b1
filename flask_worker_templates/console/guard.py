"""What holds for every page: headers, and that no other site makes a person's browser change anything."""

from __future__ import annotations

from flask import Request, Response

HEADERS = {
    # Nothing inline, nothing from elsewhere. Bootstrap's icons of form controls are `data:` images.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": browsers then send `Origin: null` with a form, which is what another site's would look like.
    "Referrer-Policy": "same-origin",
}


def secure(response: Response) -> Response:
    """Give a page its headers."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.vary.update(["Cookie", "Authorization", "HX-Target"])
    return response


def from_another_site(request: Request) -> bool:
    """Return whether a request that changes something was made by a page of another site.

    Browsers say so in ``Sec-Fetch-Site``, and older ones name the page's site in ``Origin``; neither can be set by a
    page. A program that sends neither is no browser, and carries nobody's cookies by itself.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin == "null":
        return True
    if site is not None:
        return site != "same-origin"
    return origin is not None and origin != request.host_url.rstrip("/")
