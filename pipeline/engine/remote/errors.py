"""What an object store answers, as paragraphs."""

from pipeline.engine.remote.address import Address
from targets.errors import InputError, printable

DENIED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "HTTP status 403")
EXPIRED = ("EXPIRED_TOKEN", "ExpiredToken", "REQUEST_TIME_TOO_SKEWED", "RequestTimeTooSkewed")
NETWORK = ("NETWORK_CONNECTION", "curlCode")


class StoreError(InputError):
    """The object store does not answer, or does not let us. Not of a trial or a stage: the same
    command goes on where the store does again."""


def no_bucket(address: Address) -> StoreError:
    return StoreError(
        f"--store {address}: there is no bucket '{address.bucket}'. Make it, or correct the URL; "
        "AWS_ENDPOINT_URL is the address of an object store that is not Amazon's."
    )


def explained(address: Address, error: OSError) -> StoreError:
    """The error for what pyarrow raised: it has one type for all answers, so the text decides."""
    text = str(error)
    if "NO_SUCH_BUCKET" in text or f"Bucket '{address.bucket}' not found" in text:
        return no_bucket(address)
    return StoreError(f"--store {address}: {_why(text)} ({_shown(text)}). {_remedy(text)}")


def _why(text: str) -> str:
    if any(word in text for word in DENIED):
        return "no right to that"
    if any(word in text for word in EXPIRED):
        return "the credentials have expired, or the clock of this machine is wrong"
    return "no answer" if any(word in text for word in NETWORK) else "an error of the object store"


def _remedy(text: str) -> str:
    if any(word in text for word in DENIED):
        return (
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to those of a user "
            "who may list, read, write and remove objects there."
        )
    if any(word in text for word in EXPIRED):
        return "Renew AWS_SESSION_TOKEN and its key, or set the clock."
    return (
        "Check the network, AWS_ENDPOINT_URL (unset: Amazon's) and AWS_REGION, and run the same "
        "command again."
    )


def _shown(text: str) -> str:
    """Without what differs from one request to the next."""
    return printable(" ".join(text.split()).partition(" (Request ID:")[0].rstrip("."))
