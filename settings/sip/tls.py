"""TLS towards carriers and PBXs."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from settings.base import Model

_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_END = "-----END CERTIFICATE-----"


def check_certificates(text: str) -> None:
    """Raises `ValueError` unless `text` is nothing but certificates in PEM."""
    from cryptography import x509

    bodies = re.findall(f"{_PEM_BEGIN}[^-]+{_PEM_END}", text)
    rest = re.sub(f"{_PEM_BEGIN}[^-]+{_PEM_END}", "", text)
    if not bodies or rest.strip():
        raise ValueError(f"must be certificates in PEM, each {_PEM_BEGIN} ... {_PEM_END}")
    for number, body in enumerate(bodies, 1):
        try:
            x509.load_pem_x509_certificate(body.encode())
        except ValueError:
            raise ValueError(f"certificate {number} is damaged: must be X.509 in PEM") from None


class Tls(Model):
    """TLS connections that an SBC opens to carriers and PBXs."""

    verify: bool = Field(
        default=True,
        description="refuse a certificate that none of `authorities` signed; the name in the "
        "certificate is not compared, so name the carriers' own authorities there where that "
        "matters",
    )
    authorities: str | None = Field(
        default=None,
        description="authorities trusted by `verify`, PEM: those of the carriers, or the PBXs' "
        "own; default: the public ones of the image. An SBC's user data has room for about 1.2 kB",
    )

    @field_validator("authorities")
    @classmethod
    def _pem(cls, value: str | None) -> str | None:
        if value is not None:
            check_certificates(value)
        return value
