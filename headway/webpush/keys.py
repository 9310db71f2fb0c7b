"""The key pair by which push services and browsers know this project (VAPID, RFC 8292)."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from headway.exceptions import ConfigError
from headway.webpush.encryption import CURVE, public_bytes
from headway.webpush.subscriptions import to_base64

PROOF_SECONDS = 12 * 3600  # of a signature; push services take 24 h at most
NUMBER_BYTES = 32  # of each half of a signature
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class PushKey:
    """A project's key; `public` is what browsers subscribe with."""

    def __init__(self, private: EllipticCurvePrivateKey, contact: str = "") -> None:
        self._private = private
        self._contact = contact
        self.public = to_base64(public_bytes(private))

    def authorization(self, origin: str) -> str:
        """Return the header that proves to a push service who sends."""
        claims: dict[str, str | int] = {"aud": origin, "exp": int(time.time()) + PROOF_SECONDS}
        if self._contact:
            claims["sub"] = self._contact
        signed = f"{_part({'typ': 'JWT', 'alg': 'ES256'})}.{_part(claims)}"
        halves = decode_dss_signature(self._private.sign(signed.encode(), ECDSA(SHA256())))
        signature = b"".join(half.to_bytes(NUMBER_BYTES, "big") for half in halves)
        return f"vapid t={signed}.{to_base64(signature)}, k={self.public}"


def load_or_make(path: Path, contact: str) -> PushKey:
    """Return the key in a file, which is made if it is not there, for its user alone.

    Raises ConfigError for a file that cannot be made or read, or holds no such key.
    """
    try:
        if not path.exists():
            _make(path)
        private = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"headway_push_key: {path} cannot be used: {error.strerror}.") from None
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, EllipticCurvePrivateKey) or private.curve.name != CURVE.name:
        raise ConfigError(f"headway_push_key: {path} holds no private key of the curve P-256.")
    with contextlib.suppress(PermissionError):  # another user's, who decides
        path.chmod(PRIVATE_FILE)
    return PushKey(private, contact)


def _make(path: Path) -> None:
    path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    text = generate_private_key(CURVE).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    # Linked when complete: of processes that start at once one wins, and none reads half a key.
    with tempfile.NamedTemporaryFile(dir=path.parent) as draft:
        draft.write(text)
        draft.flush()
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)


def _part(claims: dict[str, str] | dict[str, str | int]) -> str:
    return to_base64(json.dumps(claims, separators=(",", ":")).encode())
