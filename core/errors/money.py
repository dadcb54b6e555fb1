"""Errors about odd money: the inbox, what payers name, refunds."""

from __future__ import annotations

from core.errors.base import GatewayError, NotFound


class NotInInbox(GatewayError):
    code, http_status = "not_in_inbox", 409
    sentence = "This transfer does not wait for a decision."


class NotAttachable(GatewayError):
    code, http_status = "not_attachable", 409
    sentence = "This transfer cannot pay this payment."


class OrderTaken(GatewayError):
    code, http_status = "order_taken", 409
    sentence = "Another payment of this order is open or paid: attach the transfer to that one, or refund it."


class InvalidPrice(GatewayError):
    code, http_status = "invalid_price", 422
    sentence = 'price.amount must be a decimal number such as "49.90", with at most 15 digits before the point.'


class RateUnavailable(GatewayError):
    code, http_status, retry_after_s = "rate_unavailable", 503, 60
    sentence = "There is no rate for this currency at the moment."


class InvalidTxid(GatewayError):
    code, http_status = "invalid_txid", 422
    sentence = "A transaction id is 64 hexadecimal digits; a link to it in a block explorer is understood too."


class TooManyTries(GatewayError):
    code, http_status, retry_after_s = "too_many_tries", 429, 60
    sentence = "This was tried too often: wait a little and try again."


class RefundUnderway(GatewayError):
    code, http_status = "refund_underway", 409
    sentence = "This transfer is promised back to its sender: cancel that refund first."


class RefundNotFound(NotFound):
    code = "refund_not_found"
    sentence = "Refund not found."


class RefundTooLarge(GatewayError):
    code, http_status = "refund_too_large", 409
    sentence = "That is more than is left of what this payment has received."


class RefundClosed(GatewayError):
    code, http_status = "refund_closed", 409
    sentence = "This refund is not at a point where that can be done."
