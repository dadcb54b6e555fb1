"""What every error of the hub is."""

from __future__ import annotations


class GatewayError(Exception):
    """An error with a stable code, an HTTP status and a sentence fit to be shown to a caller.

    `sentence` may be replaced per raise, where the catalogue entry is one of ours; a fixed sentence never is.
    """

    code = "gateway_error"
    http_status = 500
    sentence = "Something went wrong."
    fixed = False
    retry_after_s: int | None = None

    def __init__(self, sentence: str | None = None) -> None:
        if sentence is not None and not self.fixed:
            self.sentence = sentence
        super().__init__(self.sentence)


class NotFound(GatewayError):
    code, http_status = "not_found", 404
    sentence = "Not found."
