"""A push service on this machine, and the browser that it would tell."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headway.webpush.delivery import post
from headway.webpush.encryption import CURVE, public_bytes
from headway.webpush.subscriptions import Subscription

HOST = "push.example.com"


class Delivered(NamedTuple):
    path: str
    headers: Message
    body: bytes


class FakeBrowser:
    """What a browser keeps of its subscription, and how it reads a message (RFC 8291)."""

    def __init__(self, name: str = "ada", host: str = HOST) -> None:
        self._private = ec.generate_private_key(CURVE)
        self.subscription = Subscription(
            f"https://{host}/send/{name}", public_bytes(self._private), name.encode().ljust(16)
        )

    @property
    def said(self) -> dict[str, Any]:
        """What its script posts."""
        keys = self.subscription.as_json()
        endpoint = keys.pop("endpoint")
        return {"endpoint": endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> dict[str, Any]:
        salt, size, sender = body[:16], body[20], body[21 : 21 + body[20]]
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender)
        own = self.subscription
        info = b"WebPush: info\0" + own.p256dh + sender
        secret = derive(own.auth, self._private.exchange(ec.ECDH(), theirs), info, 32)
        key = derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derive(salt, secret, b"Content-Encoding: nonce\0", 12)
        text = AESGCM(key).decrypt(nonce, body[21 + size :], None)
        assert text.endswith(b"\x02")
        told: dict[str, Any] = json.loads(text[:-1])
        return told


class PushService(socketserver.ThreadingTCPServer):
    """Takes messages over TLS, each with the answer `status`; `delivered` are those it got."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.delivered: list[Delivered] = []
        self.status = 201
        certificate = make_certificate(folder)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        trusting = ssl.create_default_context(cafile=str(certificate))
        address = ("127.0.0.1", self.server_address[1])
        self.post = partial(post, resolve=lambda host: [address], context=trusting)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Taking(BaseHTTPRequestHandler):
    server: PushService

    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.delivered.append(Delivered(self.path, self.headers, body))
        self.send_response(self.server.status)
        self.send_header("Location", "https://10.0.0.1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def derive(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(secret)


def unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make_certificate(folder: Path) -> Path:
    """Make a certificate for the service's name, with its key, in one file."""
    key = ec.generate_private_key(CURVE)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )
    path = folder / "push.pem"
    path.write_bytes(
        signed.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path
