"""What both APIs ask before they open a payment: may this caller, and may its buyers be sent there."""

from __future__ import annotations

from core.api import fields
from core.api.auth import Caller
from core.errors import GatewayError, ProjectDisabled, ProjectInTestMode, WebsiteNotConfigured
from core.ids import Mode
from core.projects.website import HostMismatch, Website, check_return_url


def check_may_create(caller: Caller) -> None:
    """Raise ProjectDisabled, ProjectInTestMode or WebsiteNotConfigured where new payments are refused."""
    if caller.project.disabled_at is not None:
        raise ProjectDisabled
    if caller.project.mode == Mode.TEST and caller.credential.mode == Mode.LIVE:
        raise ProjectInTestMode
    if caller.project.website_host is None:
        raise WebsiteNotConfigured


def return_url(raw: object, caller: Caller, mismatch: type[GatewayError]) -> str | None:
    """Check a URL that the buyer will be sent to; absent, null and empty all mean "none"."""
    text = fields.url_text(raw)
    if text is None:
        return None
    project = caller.project
    website = Website(url=project.website_url or "", host=project.website_host or "")
    is_test = caller.credential.mode == Mode.TEST
    try:
        return check_return_url(text, website=website, allow_http=is_test or website.url.startswith("http:"))
    except HostMismatch:
        raise mismatch from None
