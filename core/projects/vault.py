"""Secrets at rest: AES-256-GCM under master keys that live outside the database.

An envelope is `v1:<key id>:<nonce>:<ciphertext>`; the associated data names the row and column it belongs to, so
that a ciphertext moved to another row does not open. Nothing here logs or stores a plaintext.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import MisconfiguredHub
from core.ids import random_bytes

NONCE_BYTES = 12  # GCM's own size; random nonces are safe for 2**32 seals of one key (NIST SP 800-38D)


class Vault:
    """Seals and opens secrets; the first key seals, every key opens.

    marks: by key id, 16 hex digits that tell one key from another and reveal nothing of it.
    """

    def __init__(
        self, keys: tuple[tuple[str, bytes], ...], *, nonces: Callable[[int], bytes] = random_bytes
    ) -> None:
        if not keys:
            raise MisconfiguredHub("No master key is configured (PAYWHARF_MASTER_KEYS).")
        self._sealing_id = keys[0][0]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys}
        self._nonces = nonces
        self.marks = {key_id: hmac.digest(key, b"paywharf key mark", "sha256").hex()[:16] for key_id, key in keys}

    def seal(self, secret: str, *, place: str) -> bytes:
        """Encrypt a secret for one place, written `table:row:column`."""
        nonce = self._nonces(NONCE_BYTES)
        sealed = self._ciphers[self._sealing_id].encrypt(nonce, secret.encode(), place.encode())
        return b":".join((b"v1", self._sealing_id.encode(), urlsafe_b64encode(nonce), urlsafe_b64encode(sealed)))

    def open(self, envelope: bytes, *, place: str) -> str:
        """Decrypt what was sealed for this place.

        Raises MisconfiguredHub when the key is missing, or the envelope was altered or moved.
        """
        try:
            version, key_id, nonce, sealed = envelope.split(b":")
            cipher = self._ciphers[key_id.decode()]
            if version != b"v1":
                raise ValueError(version)
            return cipher.decrypt(urlsafe_b64decode(nonce), urlsafe_b64decode(sealed), place.encode()).decode()
        except (KeyError, ValueError, InvalidTag) as err:
            raise MisconfiguredHub(f"A stored secret does not open ({place}): wrong or missing master key.") from err


def key_id_of(value: bytes) -> str | None:
    """Name the key that an envelope was sealed with; None for bytes that are no envelope."""
    parts = value.split(b":")
    return parts[1].decode() if len(parts) == 4 and parts[0] == b"v1" and parts[1].isalnum() else None


def fingerprint(secret: str) -> str:
    """Name a secret without revealing it: SHA-256, 64 hex digits."""
    return sha256(secret.encode()).hexdigest()
