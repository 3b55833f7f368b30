"""The lab's certificate authority (one per machine) and the certificates it signs.

Only machines of the lab trust its certificate; the host never does.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from host.caches import build_once
from host.paths import cache_dir

CA_DAYS: Final = 3650
SERVER_DAYS: Final = 365


@dataclass(frozen=True)
class Authority:
    """Certificate authority on disk."""

    directory: Path

    @property
    def certificate_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def key_file(self) -> Path:
        return self.directory / "ca.key"

    def issue(self, directory: Path, names: Sequence[str]) -> tuple[Path, Path]:
        """Write `server.pem` and `server.key` for the DNS `names`; returns both paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        ca = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        ca_key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        certificate = (
            _builder("C4 lab server", key, SERVER_DAYS)
            .issuer_name(ca.subject)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False
            )
            .sign(ca_key, hashes.SHA256())
        )
        directory.mkdir(parents=True, exist_ok=True)
        files = directory / "server.pem", directory / "server.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(files[1], key)
        return files


def authority() -> Authority:
    """This machine's authority, made on first use."""
    target = cache_dir() / "ca"

    def build(part: Path) -> None:
        part.chmod(0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder("C4 lab CA", key, CA_DAYS)
        certificate = (
            builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "C4 lab CA")]))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(_ca_usage(), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        (part / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(part / "ca.key", key)

    build_once(target, build)
    return Authority(target)


def _builder(name: str, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
