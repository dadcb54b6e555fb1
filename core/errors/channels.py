"""Errors of channels: connections to platforms."""

from __future__ import annotations

from core.errors.base import GatewayError


class ChannelNotFound(GatewayError):
    code, http_status = "channel_not_found", 404
    sentence = "Channel not found."


class InvalidConnectCode(GatewayError):
    code, http_status = "invalid_connect_code", 404
    sentence = "This code is unknown, used or too old: make a new one."


class WebsiteMismatch(GatewayError):
    code, http_status = "website_mismatch", 409
    sentence = "The shop's website is not the website of this project."


class ShopConnected(GatewayError):
    code, http_status = "shop_connected", 409
    sentence = "This project has a shop already: make another project for another shop."


class OrderElsewhere(GatewayError):
    code, http_status = "order_elsewhere", 409
    sentence = "This order_id belongs to a payment that was opened from elsewhere in this project."


class LiveKeyRequired(GatewayError):
    code, http_status = "live_key_required", 403
    sentence = "This can be done with the project's live key alone."


class ChannelUnavailable(GatewayError):
    code, http_status, retry_after_s = "channel_unavailable", 503, 60
    sentence = "This channel cannot take calls at the moment; try again."


class ChannelBusy(GatewayError):
    code, http_status, retry_after_s = "channel_busy", 503, 5
    sentence = "The platform's order could not be read in time; try again."


class NotAllowed(GatewayError):
    code, http_status = "not_allowed", 403
    sentence = "Your role in this channel does not allow that."


class InvalidInvite(GatewayError):
    code, http_status = "invalid_invite", 404
    sentence = "This invitation is unknown, used or too old: ask for a new one."


class EntryChanged(GatewayError):
    code, http_status = "entry_changed", 409
    sentence = "This transfer has changed since you looked at it: look again."
