"""Encrypts what is pushed, so that only the browser can read it (RFC 8291, RFC 8188)."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headway.webpush.subscriptions import Subscription

CURVE = SECP256R1()
SALT_BYTES = 16
RECORD_BYTES = 4096  # of which there is one
MAX_TEXT = 3000  # bytes; each push service takes so much, sealed
END = b"\x02"  # of the last record


def public_bytes(private: EllipticCurvePrivateKey) -> bytes:
    """Return the public key as an uncompressed point."""
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def is_public_key(point: bytes) -> bool:
    """Whether these bytes are a point of the curve."""
    try:
        EllipticCurvePublicKey.from_encoded_point(CURVE, point)
    except ValueError:
        return False
    return True


def encrypt(
    text: bytes,
    to: Subscription,
    *,
    salt: bytes | None = None,
    private: EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Return a text of at most MAX_TEXT bytes as the browser of a subscription reads it.

    `salt` and `private` are made at random for each message. Raises ValueError where the
    subscription's key is no point of the curve.
    """
    salt = salt or os.urandom(SALT_BYTES)
    private = private or generate_private_key(CURVE)
    own = public_bytes(private)
    theirs = EllipticCurvePublicKey.from_encoded_point(CURVE, to.p256dh)
    shared = private.exchange(ECDH(), theirs)
    secret = _derive(to.auth, shared, b"WebPush: info\0" + to.p256dh + own, 32)
    key = _derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\0", 12)
    head = salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(own)]) + own
    return head + AESGCM(key).encrypt(nonce, text + END, None)


def _derive(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(secret)
