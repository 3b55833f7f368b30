"""Files from the web that are used only if they have a known SHA-256."""

from __future__ import annotations

import hashlib
import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

from host.errors import HostError, InputError

CONNECT_S: Final = 10.0
SILENCE_S: Final = 60.0  # longest wait for the next bytes
MOST_BYTES: Final = 1 << 30
MOST_REDIRECTS: Final = 5
CHUNK_BYTES: Final = 1 << 20


def download(url: str, sha256: str, target: Path) -> None:
    """Write what `url` answers to the file `target`; `sha256` is its hash, 64 hexadecimal digits.

    `target` exists afterwards only if the hash is right. Raises `InputError` for a URL that must
    not be used and for a wrong hash, and `HostError` when the file cannot be fetched.
    """
    part = target.with_name(target.name + ".part")
    try:
        found = _fetch(url, part)
        if found != sha256.lower():
            raise InputError(
                f"{url} has the SHA-256 {found}, but {sha256.lower()} is expected",
                "take the hash from the list that the publisher has signed; nothing of the file "
                "was used",
            )
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _fetch(url: str, part: Path) -> str:
    """Write the answer to `part`, and return its SHA-256."""
    total, size = hashlib.sha256(), 0
    try:
        with _response(url) as response, part.open("wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                size += len(chunk)
                if size > MOST_BYTES:
                    raise InputError(f"{url} is larger than {MOST_BYTES >> 20} MiB")
                total.update(chunk)
                file.write(chunk)
    except requests.RequestException as error:
        raise HostError(
            f"{url} cannot be fetched: {_reason(error)}", "this machine must be able to reach it"
        ) from None
    return total.hexdigest()


def _response(url: str) -> requests.Response:
    """The answer, after redirects. Raises `HostError` for another status than 200."""
    where = url
    for _ in range(MOST_REDIRECTS + 1):
        _require_safe(where)
        response = requests.get(
            where, stream=True, timeout=(CONNECT_S, SILENCE_S), allow_redirects=False
        )
        if not response.is_redirect:
            break
        where = urljoin(where, response.headers["Location"])
        response.close()
    if response.status_code != requests.codes.ok:
        response.close()
        raise HostError(f"{where} answers {response.status_code} {response.reason}")
    return response


def _require_safe(url: str) -> None:
    """Raise `InputError` unless the URL is https, or http from this machine.

    The hash protects the content, but not the names of what is fetched.
    """
    parts = urlsplit(url)
    if parts.hostname and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_local(parts.hostname))
    ):
        return
    raise InputError(f"{url} must be an https URL; http is allowed from this machine only")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: requests.RequestException) -> str:
    """The innermost cause, which is the one that a reader understands."""
    cause: BaseException = error
    while inner := (cause.__cause__ or cause.__context__):
        cause = inner
    return " ".join(str(cause).split()) or type(cause).__name__
