"""The one door to randomness: every id, key, token and secret of the house is made here; nothing is stored here.

Random ids are a prefix and characters drawn without bias from an injected byte source, so that a simulator can replay
them. Payment ids are not random but permuted: small enough for the 32-bit columns of existing shops, and yet they can
be neither guessed in order nor counted.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import string
from collections.abc import Callable
from enum import StrEnum

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PUBLIC_KEY_CHARACTERS = 24  # 142 bits; base62 carries 5.954 bits a character
SECRET_KEY_CHARACTERS = 40  # 238 bits
EVENT_ID_CHARACTERS = 26  # 154 bits: unique without asking the database
REQUEST_ID_CHARACTERS = 20  # 119 bits
WEBHOOK_SECRET_BYTES = 32  # Standard Webhooks: between 24 and 64
NARROW_LIMIT = 2**31  # signed 32-bit columns of existing shops
WIDE_LIMIT = 2**53  # the integers a JSON number of JavaScript keeps exact
FEISTEL_ROUNDS = 8  # four make a strong permutation of random functions (Luby, Rackoff 1988); doubled


class Mode(StrEnum):
    """Which of a project's two worlds a key, a payment or an event belongs to."""

    TEST = "test"
    LIVE = "live"


def random_bytes(n: int) -> bytes:
    """Return n bytes fit for keys, from the operating system."""
    return secrets.token_bytes(n)


class Ids:
    """Makes ids, keys and tokens from a source of random bytes."""

    def __init__(self, source: Callable[[int], bytes] = random_bytes) -> None:
        self._source = source

    def event_id(self) -> str:
        """Make an event's public id; receivers dedupe on it."""
        return "evt_" + self._text(EVENT_ID_CHARACTERS)

    def event_id_of(self, token: str, kind: str, nth: int) -> str:
        """Give the id of a payment's nth event of a kind: the same whenever it is recorded, also after a restore.

        token: the payment's page token, which makes the id unique; an event id opens nothing and is no secret.
        """
        number = int.from_bytes(hmac.digest(token.encode(), f"{kind}:{nth}".encode(), "sha256"))
        digits = []
        for _ in range(EVENT_ID_CHARACTERS):  # the lowest digit first
            number, digit = divmod(number, 62)
            digits.append(BASE62[digit])
        return "evt_" + "".join(digits)

    def page_token(self) -> str:
        """Make the token that opens one payment's page: 22 url-safe characters, 128 bits."""
        return base64.urlsafe_b64encode(self._source(16)).rstrip(b"=").decode()

    def refund_token(self) -> str:
        """Make the token of a refund's link, which decides where money goes: 32 url-safe characters, 192 bits."""
        return base64.urlsafe_b64encode(self._source(24)).decode()

    def public_key(self, mode: Mode) -> str:
        """Make the key a caller is found by."""
        return f"pk_{Mode(mode)}_" + self._text(PUBLIC_KEY_CHARACTERS)

    def secret_key(self, mode: Mode) -> str:
        """Make the secret a caller signs with."""
        return f"sk_{Mode(mode)}_" + self._text(SECRET_KEY_CHARACTERS)

    def webhook_secret(self) -> str:
        """Make an endpoint's signing secret in the form of Standard Webhooks."""
        return "whsec_" + base64.b64encode(self._source(WEBHOOK_SECRET_BYTES)).decode()

    def endpoint_uid(self) -> str:
        """Make an endpoint's id, which its sealed secret is bound to."""
        return "ep_" + self._text(EVENT_ID_CHARACTERS)

    def channel_uid(self) -> str:
        """Make a channel's public id, which its sealed settings are bound to; it is no secret."""
        return "ch_" + self._text(EVENT_ID_CHARACTERS)

    def connect_code(self) -> str:
        """Make a one-time code by which a shop's plugin connects itself: 154 bits."""
        return "cc_" + self._text(EVENT_ID_CHARACTERS)

    def request_id(self) -> str:
        """Make the id one answer is found by in the logs."""
        return "req_" + self._text(REQUEST_ID_CHARACTERS)

    def lease_token(self) -> str:
        """Make the fence of one claim: 32 hex digits."""
        return self._source(16).hex()

    def hub_key(self) -> str:
        """Make a key of the hub itself: 64 hex digits, 256 bits."""
        return self._source(32).hex()

    def test_txid(self) -> str:
        """Make the transaction id of a test payment, which can never be taken for one of the chain."""
        return "test_" + self._source(16).hex()

    def watcher_name(self) -> str:
        """Name one run of the watcher, for the lease: `watcher_` and 8 characters."""
        return f"watcher_{self._text(8)}"

    def below(self, n: int) -> int:
        """Draw an integer from [0, n), each equally likely; n must be positive."""
        if n < 1:
            raise ValueError(f"below() needs a positive bound, not {n}")
        bits = (n - 1).bit_length()
        size = max(1, (bits + 7) // 8)
        while True:
            drawn = int.from_bytes(self._source(size)) >> (size * 8 - bits)
            if drawn < n:
                return drawn

    def _text(self, characters: int) -> str:
        """Draw base62 text; bytes of 248 and above are thrown away, since 248 = 4 * 62."""
        text = ""
        while len(text) < characters:
            text += "".join(BASE62[byte % 62] for byte in self._source(characters) if byte < 248)
        return text[:characters]


class IdPermutation:
    """A keyed permutation of [1, limit): counters inside, public payment ids outside.

    A Feistel network over the next even number of bits; values that fall outside the range are permuted again until
    they land inside it (cycle walking), four times on average at most. One key means one permutation for ever:
    changing it, or `wide`, would give ids out a second time.
    """

    def __init__(self, key: bytes, *, wide: bool = False, limit: int | None = None) -> None:
        """key: at least 16 bytes. wide: 53 bits instead of 31. limit: a smaller range, for proofs."""
        if len(key) < 16:
            raise ValueError("the key of an id permutation needs at least 16 bytes")
        self._keyed = hmac.new(key, digestmod="sha256")  # copied for each round: half the cost of keying it anew
        self._limit = limit or (WIDE_LIMIT if wide else NARROW_LIMIT)
        self._half_bits = max(1, ((self._limit - 1).bit_length() + 1) // 2)

    def permute(self, counter: int) -> int:
        """Return the public id of a counter; ValueError outside [1, limit)."""
        return self._walk(counter, range(FEISTEL_ROUNDS))

    def restore(self, public: int) -> int:
        """Return the counter of a public id; ValueError outside [1, limit)."""
        return self._walk(public, range(FEISTEL_ROUNDS - 1, -1, -1))

    def _walk(self, number: int, rounds: range) -> int:
        if not 1 <= number < self._limit:
            raise ValueError(f"{number} is outside [1, {self._limit})")
        number = self._pass(number, rounds)
        while not 1 <= number < self._limit:
            number = self._pass(number, rounds)
        return number

    def _pass(self, number: int, rounds: range) -> int:
        """Run the network once; with the rounds in reverse order it is its own inverse, halves swapped at the end."""
        mask = (1 << self._half_bits) - 1
        left, right = number >> self._half_bits, number & mask
        for number_of_round in rounds:
            left, right = right, left ^ (self._round(number_of_round, right) & mask)
        return right << self._half_bits | left

    def _round(self, number_of_round: int, half: int) -> int:
        message = bytes((number_of_round, self._half_bits)) + half.to_bytes(8)
        keyed = self._keyed.copy()
        keyed.update(message)
        return int.from_bytes(keyed.digest()[:8])
