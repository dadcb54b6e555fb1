"""Every error a caller of the hub can meet, one class per code; this room decides sentences and statuses, nothing else.

The sentences of the compatible API are a contract, letter for letter (gateway API, section 1): merchants compare
them. `code` is the stable machine word sent beside them. `catalogue()` lists all of them for docs and tests.
"""

from __future__ import annotations

from core.errors.base import GatewayError as GatewayError
from core.errors.base import NotFound as NotFound


class InvalidApiKey(GatewayError):
    code, http_status, fixed = "invalid_api_key", 401, True
    sentence = "Invalid API key"


class InvalidSignature(GatewayError):
    code, http_status, fixed = "invalid_signature", 401, True
    sentence = "Invalid signature"


class WebsiteNotConfigured(GatewayError):
    code, http_status, fixed = "website_not_configured", 409, True
    sentence = "Project website is not configured."


class SuccessUrlMismatch(GatewayError):
    code, http_status, fixed = "success_url_mismatch", 422, True
    sentence = "Success URL domain does not match project website."


class FailUrlMismatch(GatewayError):
    code, http_status, fixed = "fail_url_mismatch", 422, True
    sentence = "Fail URL domain does not match project website."


class ProjectInTestMode(GatewayError):
    code, http_status, fixed = "project_in_test_mode", 403, True
    sentence = (
        "Project is currently in Test mode. Use test API credentials or switch project to Live mode."
    )


class ProjectDisabled(GatewayError):
    code, http_status, fixed = "project_disabled", 403, True
    sentence = "Project is disabled."


class AmountNotPositive(GatewayError):
    code, http_status, fixed = "amount_not_positive", 422, True
    sentence = "Amount must be greater than zero"


class BodyTooLarge(GatewayError):
    code, http_status = "body_too_large", 413
    sentence = "The request body is larger than 64 KiB."


class UrlTooLong(GatewayError):
    code, http_status = "url_too_long", 414
    sentence = "The URL is too long: 4,000 characters at most."


class BodyUnreadable(GatewayError):
    code, http_status = "body_unreadable", 400
    sentence = "The request body could not be read: it is cut short or badly encoded."


class UnsupportedMediaType(GatewayError):
    code, http_status = "unsupported_media_type", 415
    sentence = "The request must be sent as Content-Type: application/json, without a Content-Encoding."


class MalformedJson(GatewayError):
    code, http_status = "malformed_json", 400
    sentence = "The request body is not valid JSON in UTF-8."


class BodyNotObject(GatewayError):
    code, http_status = "body_not_object", 400
    sentence = "The request body must be a JSON object."


class BadParameter(GatewayError):
    code, http_status = "bad_parameter", 400
    sentence = "payment_id must be given exactly once."


class InvalidTimestamp(GatewayError):
    code, http_status = "invalid_timestamp", 401
    sentence = "X-Timestamp must be the present time in whole Unix seconds, at most 300 seconds off."


class InvalidNonce(GatewayError):
    code, http_status = "invalid_nonce", 401
    sentence = "X-Nonce must be given once: 16 to 64 letters, digits, hyphens or underscores."


class NonceUsed(GatewayError):
    code, http_status = "nonce_used", 401
    sentence = "This X-Nonce was already used with this key: sign every request anew."


class RateLimited(GatewayError):
    code, http_status, retry_after_s = "rate_limited", 429, 1
    sentence = "Too many requests with this API key: wait as long as Retry-After says."


class TooManyRequests(GatewayError):
    code, http_status, retry_after_s = "too_many_requests", 429, 1
    sentence = "Too many requests from this address: wait as long as Retry-After says."


class UnknownField(GatewayError):
    code, http_status = "unknown_field", 422
    sentence = "The request has a field that is not known here."


class InvalidCursor(GatewayError):
    code, http_status = "invalid_cursor", 400
    sentence = "The cursor is not one that this list has given."


class InvalidIdempotencyKey(GatewayError):
    code, http_status = "invalid_idempotency_key", 400
    sentence = "Idempotency-Key must be given once: 1 to 255 printable ASCII characters."


class IdempotencyKeyReused(GatewayError):
    code, http_status = "idempotency_key_reused", 422
    sentence = "This Idempotency-Key was used with another request: use a new key for a new request."


class IdempotencyInFlight(GatewayError):
    code, http_status, retry_after_s = "idempotency_in_flight", 409, 1
    sentence = "A request with this Idempotency-Key is being worked on: ask again in a moment."


class MissingField(GatewayError):
    code, http_status = "missing_field", 422
    sentence = "A required field is missing."


class InvalidField(GatewayError):
    code, http_status = "invalid_field", 422
    sentence = "A field has an invalid value."


class InvalidAmount(GatewayError):
    code, http_status = "invalid_amount", 422
    sentence = 'amount must be a decimal number such as "50.00", with at most 9 digits before the point.'


class TooManyDecimals(GatewayError):
    code, http_status = "too_many_decimals", 422
    sentence = "amount must have at most 6 decimal places."


class UnsupportedCurrency(GatewayError):
    code, http_status = "unsupported_currency", 422
    sentence = "currency must be USDT."


class InvalidUrl(GatewayError):
    code, http_status = "invalid_url", 422
    sentence = "The URL is not valid."


class InvalidWebsite(GatewayError):
    code, http_status = "invalid_website", 422
    sentence = "The Website URL must be a real public domain name."


class WebsiteTaken(GatewayError):
    code, http_status = "website_taken", 409
    sentence = "This website is already linked to another project."


class InvalidAddress(GatewayError):
    code, http_status = "invalid_address", 422
    sentence = "The address is not a valid TRON address."


class AddressTaken(GatewayError):
    code, http_status = "address_taken", 409
    sentence = "This address is already registered in this hub."


class MethodNotAllowed(GatewayError):
    code, http_status = "method_not_allowed", 405
    sentence = "This method is not allowed here."


class ForeignForm(GatewayError):
    code, http_status = "foreign_form", 403
    sentence = "This was not sent from the payment page itself."


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    sentence = "Payment not found."


class EventNotFound(NotFound):
    code = "event_not_found"
    sentence = "Event not found."


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"
    sentence = "Delivery not found."


class TransferNotFound(NotFound):
    code = "transfer_not_found"
    sentence = "Transfer not found."


class OrderAmountConflict(GatewayError):
    code, http_status = "order_amount_conflict", 409
    sentence = "This order_id already has a payment with another amount."


class OrderHoldsFunds(GatewayError):
    code, http_status = "order_holds_funds", 409
    sentence = "This order_id has received money that must be resolved before it can be paid again."


class AddressInUse(GatewayError):
    code, http_status = "address_in_use", 409
    sentence = "Payments still wait on this address, or may still be paid late: retire it when they are over."


class ReadBackDiffers(GatewayError):
    code, http_status = "read_back_differs", 422
    sentence = "What was read back is not how this address ends: nothing was added. Compare it with your wallet."


class InvalidXpub(GatewayError):
    code, http_status = "invalid_xpub", 422
    sentence = "The key is not a valid account xpub."


class NoReceivingAddress(GatewayError):
    code, http_status = "no_receiving_address", 409
    sentence = "No receiving address is configured for live payments."


class NoFreeAmount(GatewayError):
    code, http_status, retry_after_s = "no_free_amount", 503, 60
    sentence = "All unique amounts for this price are in use; try again later or add a receiving address."


class PaymentClosed(GatewayError):
    code, http_status = "payment_closed", 409
    sentence = "This payment can no longer be changed."


class EndpointDisabled(GatewayError):
    code, http_status = "endpoint_disabled", 409
    sentence = "This endpoint is disabled: enable it first."


class TransferUnderway(GatewayError):
    code, http_status = "transfer_underway", 409
    sentence = "A transfer for this payment has been detected; it can no longer be canceled."


class NotATestPayment(GatewayError):
    code, http_status = "not_a_test_payment", 403
    sentence = "Only a test payment can be simulated."


class BadPayload(GatewayError):
    code, http_status = "bad_payload", 400
    sentence = "The content of the platform's call was not understood."


class EgressBlocked(GatewayError):
    code, http_status = "egress_blocked", 422
    sentence = "The URL leads to an address that this hub does not connect to."


class EgressFailed(GatewayError):
    code, http_status = "egress_failed", 502
    sentence = "The remote end could not be reached."


class NodeUnavailable(GatewayError):
    code, http_status = "node_unavailable", 503
    sentence = "The TRON node did not answer."


class WrongNetwork(GatewayError):
    code, http_status = "wrong_network", 500
    sentence = "The TRON node is on another network than this hub."


class DatabaseUnavailable(GatewayError):
    code, http_status, retry_after_s = "database_unavailable", 503, 5
    sentence = "The database is unavailable; try again."


class MisconfiguredHub(GatewayError):
    code, http_status = "misconfigured_hub", 500
    sentence = "The hub is not configured correctly."


class SchemaMismatch(MisconfiguredHub):
    code = "schema_mismatch"
    sentence = "The database schema does not fit this version; run: paywharf db upgrade"


# after all of the above, so that the catalogue goes on with them
from core.errors.channels import ChannelBusy as ChannelBusy  # noqa: E402,F401
from core.errors.channels import ChannelNotFound as ChannelNotFound  # noqa: E402,F401
from core.errors.channels import ChannelUnavailable as ChannelUnavailable  # noqa: E402,F401
from core.errors.channels import EntryChanged as EntryChanged  # noqa: E402,F401
from core.errors.channels import InvalidConnectCode as InvalidConnectCode  # noqa: E402,F401
from core.errors.channels import InvalidInvite as InvalidInvite  # noqa: E402,F401
from core.errors.channels import LiveKeyRequired as LiveKeyRequired  # noqa: E402,F401
from core.errors.channels import NotAllowed as NotAllowed  # noqa: E402,F401
from core.errors.channels import OrderElsewhere as OrderElsewhere  # noqa: E402,F401
from core.errors.channels import ShopConnected as ShopConnected  # noqa: E402,F401
from core.errors.channels import WebsiteMismatch as WebsiteMismatch  # noqa: E402,F401
from core.errors.money import InvalidPrice as InvalidPrice  # noqa: E402,F401
from core.errors.money import InvalidTxid as InvalidTxid  # noqa: E402,F401
from core.errors.money import NotAttachable as NotAttachable  # noqa: E402,F401
from core.errors.money import NotInInbox as NotInInbox  # noqa: E402,F401
from core.errors.money import OrderTaken as OrderTaken  # noqa: E402,F401
from core.errors.money import RateUnavailable as RateUnavailable  # noqa: E402,F401
from core.errors.money import RefundClosed as RefundClosed  # noqa: E402,F401
from core.errors.money import RefundNotFound as RefundNotFound  # noqa: E402,F401
from core.errors.money import RefundTooLarge as RefundTooLarge  # noqa: E402,F401
from core.errors.money import RefundUnderway as RefundUnderway  # noqa: E402,F401
from core.errors.money import TooManyTries as TooManyTries  # noqa: E402,F401


def catalogue() -> list[type[GatewayError]]:
    """List every error class of this room, base class excluded, parents before children.

    Classes that rooms derive from these for their own use inside never reach a caller and are not listed.
    """
    found: list[type[GatewayError]] = []
    queue = list(GatewayError.__subclasses__())
    while queue:
        cls = queue.pop(0)
        if cls.__module__.startswith("core.errors"):
            found.append(cls)
        queue.extend(cls.__subclasses__())
    return found
