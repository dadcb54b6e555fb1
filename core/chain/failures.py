"""What a TRON node's answer means when it is not the one asked for: one error with a kind, judged by pure functions.

HTTP 200 is not success: nodes send errors, rate limits and plain text with it. The table is the one of the TRON
facts, section 2; a kind says what the caller can do, and `is_transient` whether asking again soon may help.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import DecodeError, ValidationError

from core.errors import NodeUnavailable

SUSPENSION_S = 30.0  # TronGrid suspends a key for 30 s after a burst; 25 to 30 s were seen
QUOTA_RETRY_S = 60.0  # a spent daily quota does not come back within a call; ask again a minute later, slowly
MAX_RETRY_AFTER_S = 3600.0  # no node may silence the watcher for longer than an hour


class FailureKind(StrEnum):
    """Why a node's answer cannot be used."""

    RATE_LIMITED = "rate_limited"
    PAUSED = "paused"
    KEY_SUSPENDED = "key_suspended"
    DAILY_QUOTA = "daily_quota"
    LITE_NODE = "lite_node"
    DISABLED = "disabled"
    REQUEST_TOO_LARGE = "request_too_large"
    BAD_GATEWAY = "bad_gateway"
    BAD_STATUS = "bad_status"
    NODE_ERROR = "node_error"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    MISSING = "missing"
    TOO_MANY_LOGS = "too_many_logs"
    CALL_FAILED = "call_failed"
    TIMEOUT = "timeout"
    CONNECTION = "connection"


TRANSIENT = frozenset({
    FailureKind.RATE_LIMITED, FailureKind.BAD_GATEWAY, FailureKind.TRUNCATED,
    FailureKind.TIMEOUT, FailureKind.CONNECTION,
})

SENTENCES = {
    FailureKind.RATE_LIMITED: "it limits our request rate",
    FailureKind.PAUSED: "it asked to be left alone for a while, and the time is not over",
    FailureKind.KEY_SUSPENDED: "it suspended our API key after a burst of requests",
    FailureKind.DAILY_QUOTA: "our daily quota there is used up",
    FailureKind.LITE_NODE: "it is a lite full node and does not keep what is asked",
    FailureKind.DISABLED: "it does not offer this call: wrong port or path, or disabled by its configuration",
    FailureKind.REQUEST_TOO_LARGE: "it finds our request too large",
    FailureKind.BAD_GATEWAY: "it is overloaded or restarting",
    FailureKind.BAD_STATUS: "it answered with an unexpected HTTP status",
    FailureKind.NODE_ERROR: "it reports an error of its own",
    FailureKind.NOT_JSON: "its answer is not JSON",
    FailureKind.WRONG_SHAPE: "its answer has an unknown shape",
    FailureKind.TRUNCATED: "its answer ends too early",
    FailureKind.OVERSIZED: "its answer is larger than any block",
    FailureKind.MISSING: "it does not know what every node must know",
    FailureKind.TOO_MANY_LOGS: "the range asked for holds too many logs",
    FailureKind.CALL_FAILED: "the contract call did not succeed there",
    FailureKind.TIMEOUT: "it did not answer in time",
    FailureKind.CONNECTION: "it cannot be reached",
}


class NodeFailure(NodeUnavailable):
    """One call to a node that brought no usable answer; nothing may be concluded from it, least of all absence.

    kind: the class of failure.   retry_in_s: how long this node should be left alone, None where it did not say.
    """

    code = "node_failure"

    def __init__(self, kind: FailureKind, *, detail: str = "", retry_in_s: float | None = None) -> None:
        self.kind = kind
        self.retry_in_s = retry_in_s
        shown = "".join(c if c.isprintable() else " " for c in detail[:200]).strip()
        super().__init__(f"The TRON node did not help: {SENTENCES[kind]}" + (f" ({shown})." if shown else "."))

    @property
    def is_transient(self) -> bool:
        """Tell whether the same question to the same node may soon be answered."""
        return self.kind in TRANSIENT


def failure_of_status(*, status: int, body: bytes, retry_after: str | None) -> NodeFailure:
    """Classify an answer whose HTTP status is not 200; `retry_after` is the header as sent."""
    text = body[:400].decode("utf-8", "replace")
    kind = _kind_of_status(status, text.lower())
    default_s = {FailureKind.KEY_SUSPENDED: SUSPENSION_S, FailureKind.DAILY_QUOTA: QUOTA_RETRY_S}.get(kind)
    detail = f"HTTP {status}" if kind in (FailureKind.BAD_GATEWAY, FailureKind.BAD_STATUS) else text
    return NodeFailure(kind, detail=detail, retry_in_s=_seconds(retry_after, default_s))


def failure_of_error(error: str) -> NodeFailure:
    """Classify what a node sent under "Error" with HTTP 200."""
    if "lack of computing resources" in error.lower():
        return NodeFailure(FailureKind.RATE_LIMITED, detail=error)
    return NodeFailure(FailureKind.NODE_ERROR, detail=error)


def failure_of_text(body: bytes) -> NodeFailure | None:
    """Recognise the plain text of a lite full node, which comes with HTTP 200."""
    if b"lite fullnode" in body[:400].lower():
        return NodeFailure(FailureKind.LITE_NODE, detail=body[:200].decode("utf-8", "replace"))
    return None


def failure_of_decoding(err: Exception) -> NodeFailure:
    """Classify why a body with HTTP 200 could not be read as the expected JSON."""
    if isinstance(err, ValidationError):
        return NodeFailure(FailureKind.WRONG_SHAPE, detail=str(err))
    if isinstance(err, DecodeError) and "truncated" in str(err):
        return NodeFailure(FailureKind.TRUNCATED)
    return NodeFailure(FailureKind.NOT_JSON)


def _kind_of_status(status: int, text: str) -> FailureKind:
    if status == 429:
        return FailureKind.RATE_LIMITED
    if status == 403 and "daily usage" in text:
        return FailureKind.DAILY_QUOTA
    if status == 403 and ("frequency limit" in text or "suspended" in text):
        return FailureKind.KEY_SUSPENDED
    if status == 413:
        return FailureKind.REQUEST_TOO_LARGE
    if status in (404, 405):
        return FailureKind.DISABLED
    return FailureKind.BAD_GATEWAY if status >= 500 else FailureKind.BAD_STATUS


def _seconds(retry_after: str | None, default_s: float | None) -> float | None:
    """Read Retry-After given in seconds; its other form, a date, is by the node's clock and counts as unsaid."""
    if retry_after is None or not retry_after.isascii() or not retry_after.strip().isdigit():
        return default_s
    return min(float(retry_after.strip()[:10]), MAX_RETRY_AFTER_S)
