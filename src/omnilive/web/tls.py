"""A certificate of our own: browsers give no microphone to plain HTTP from another machine.

It is self-signed, so a browser warns; whoever compares the fingerprint that `omnilive serve` prints
with the one the browser shows knows that it is this server. It is kept, so that this is done once.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from omnilive.errors import ConfigError, UsageError

_VALID_DAYS = 397  # what browsers accept at most
_RENEW_DAYS = 30


class Certificate(NamedTuple):
    """Files of a certificate and its key, and the certificate's SHA-256 ("AB:CD:...")."""

    certificate: Path
    key: Path
    fingerprint: str


def own_certificate(folder: Path, names: Sequence[str]) -> Certificate:
    """Return the kept certificate for these host names and addresses, made anew if it must be.

    Args:
        folder: where it is kept, readable by this user only.
        names: what it must hold for.

    Raises:
        ConfigError: it cannot be kept there.
    """
    certificate, key = folder / "tls.crt", folder / "tls.key"
    try:
        if not _holds(certificate, key, names):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(certificate, key, names)
        return Certificate(certificate, key, _fingerprint(certificate))
    except OSError as error:
        raise ConfigError(
            f"The certificate cannot be kept in {folder}: {error.strerror}; "
            "give --tls-cert and --tls-key."
        ) from error


def given_certificate(certificate: Path, key: Path) -> Certificate:
    """Return the user's own certificate, checked.

    Raises:
        UsageError: it cannot be read, or the key is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password, so that an encrypted key is an error here and no prompt later.
        context.load_cert_chain(certificate, key, password="")
        return Certificate(certificate, key, _fingerprint(certificate))
    except (OSError, ValueError) as error:
        missing = next((each for each in (certificate, key) if not each.is_file()), None)
        what = f"{missing} is no file" if missing else "they do not belong together, or are no PEM"
        raise UsageError(f"--tls-cert and --tls-key cannot be used: {what}.") from error


def _fingerprint(certificate: Path) -> str:
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    digest = hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _holds(certificate: Path, key: Path, names: Sequence[str]) -> bool:
    """Whether the kept certificate is whole, holds for all names, and for a while yet."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return (
        private.public_key() == found.public_key()
        and left > datetime.timedelta(days=_RENEW_DAYS)
        and all(_general_name(name) in listed for name in names)
    )


def _make(certificate: Path, key: Path, names: Sequence[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OmniLive on this machine")])
    public = private.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .sign(private, SHA256())
    )
    pem = serialization.Encoding.PEM
    _write_private(
        key,
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    _write_private(certificate, made.public_bytes(pem))


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that from its first moment only this user can read."""
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(content)
    os.replace(partial, path)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))
