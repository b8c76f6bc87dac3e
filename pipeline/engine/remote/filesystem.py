"""pyarrow's file system of a bucket, whose requests end.

Not s3fs: aiobotocore pins botocore and urllib3 to what nothing else here can have.
"""

import os
from typing import Any
from urllib.parse import urlsplit

from pipeline.engine.remote.address import Address
from pipeline.engine.remote.errors import explained, no_bucket
from targets.errors import InputError, missing_package, printable

CONNECT_S, REQUEST_S, ATTEMPTS = 5.0, 10.0, 3
"""By default, pyarrow tries for minutes. A request is given up after so long without a byte."""
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Of every AWS SDK; pyarrow reads neither, nor AWS_CA_BUNDLE."""
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def opened(address: Address) -> Any:
    """A `pyarrow.fs.S3FileSystem`, with the credentials of the environment or the profile.

    Raises `InputError` without pyarrow, and `StoreError` where the bucket is not there.
    """
    try:
        from pyarrow import fs
    except ModuleNotFoundError as error:
        raise missing_package(
            "edge-distill[object-store]", needed_for=f"--store {address}"
        ) from error
    try:
        files = fs.S3FileSystem(
            connect_timeout=CONNECT_S,
            request_timeout=REQUEST_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            allow_delayed_open=True,  # a small object is one request
            tls_ca_file_path=os.environ.get("AWS_CA_BUNDLE"),
            **(_endpoint() or _region(address, fs)),
        )
    except OSError as error:
        raise explained(address, error) from error
    _require_bucket(files, address, fs)
    return files


def _endpoint() -> dict[str, str]:
    """Empty for Amazon's."""
    name = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if name is None:
        return {}
    url = urlsplit(os.environ[name])
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
        raise InputError(
            f"{name}: {printable(url.scheme or os.environ[name])}… is no address of an object "
            "store. Give http(s)://host:port."
        )
    return {"scheme": url.scheme, "endpoint_override": f"{url.netloc}{url.path.rstrip('/')}"}


def _region(address: Address, fs: Any) -> dict[str, str]:
    """Of a bucket at Amazon's, which answers in its own region only."""
    if any(os.environ.get(name) for name in REGIONS):
        return {}
    return {"region": fs.resolve_s3_region(address.bucket)}


def _require_bucket(files: Any, address: Address, fs: Any) -> None:
    """Elsewhere a bucket that is missing looks like an object that is missing."""
    try:
        found = files.get_file_info(address.bucket)
    except OSError as error:
        why = explained(address, error)
        if "no right" in str(why):  # to list the bucket, which a prefix of one's own does not need
            return
        raise why from error
    if found.type == fs.FileType.NotFound:
        raise no_bucket(address)
