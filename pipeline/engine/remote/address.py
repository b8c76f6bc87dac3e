"""The URL of an object store."""

import re
from dataclasses import dataclass

from targets.errors import InputError, printable

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
FORM = "A store is a folder, or s3://bucket/prefix"


@dataclass(frozen=True, kw_only=True)
class Address:
    bucket: str
    prefix: str = ""
    """Without slashes at its ends."""

    def __str__(self) -> str:
        return f"s3://{self.path}"

    @property
    def path(self) -> str:
        """`bucket/prefix`."""
        return f"{self.bucket}/{self.prefix}".rstrip("/")


def is_url(text: str) -> bool:
    return URL.fullmatch(text) is not None


def parsed(url: str) -> Address:
    """Raises `InputError` for anything but `s3://bucket/prefix`."""
    found = URL.fullmatch(url)
    scheme, rest = found.groups() if found else ("", url)
    shown = printable(f"{scheme}://{rest.rpartition('@')[2]}")  # no password in a log
    if "@" in rest:
        raise InputError(
            f"--store {shown}: names and passwords belong into AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, and not into the URL."
        )
    if scheme.lower() != "s3":
        raise InputError(
            f"--store {shown}: {printable(scheme)}:// is not offered. {FORM}; most object stores "
            "also speak S3, at an address that AWS_ENDPOINT_URL names."
        )
    return _parsed_path(rest, shown)


def _parsed_path(rest: str, shown: str) -> Address:
    if "?" in rest or "#" in rest:
        raise InputError(
            f"--store {shown}: settings belong into AWS_ENDPOINT_URL and AWS_REGION, and not into "
            "the URL."
        )
    bucket, _, prefix = rest.partition("/")
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    if not BUCKET.fullmatch(bucket):
        raise InputError(f"--store {shown}: no name of a bucket. {FORM}.")
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise InputError(f"--store {shown}: no prefix of objects. {FORM}, such as s3://mine/hands.")
    return Address(bucket=bucket, prefix="/".join(parts))
