"""What surrounds every answer of the payment page: security headers, and the refusal of other sites' forms."""

from __future__ import annotations


from flask import Request, Response

from core.errors import ForeignForm

CONTENT_SECURITY_POLICY = (  # TN2, letter for letter
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)


def harden(answer: Response) -> Response:
    """Add the headers of TN2; nothing is cached unless the view has said otherwise."""
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def require_own_form(incoming: Request, *, base_url: str) -> None:
    """Refuse a POST that a browser says comes from another site; raises ForeignForm (TN4).

    The token in the form is what no other site knows; this stops one that does, such as the shop. Browsers send
    `Origin: null` from a page without referrers, so only Sec-Fetch-Site can tell then, and plain http has neither.
    """
    site = incoming.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site != "same-origin":
            raise ForeignForm
        return
    origin = incoming.headers.get("Origin", "null")
    if origin not in ("null", _origin(base_url), _origin(incoming.host_url)):
        raise ForeignForm


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
