"""The signature of a bundle, `model.sig`, by OpenSSF model-signing: over all of its other files.

By a private key, by a certificate with its chain, or by an identity at Sigstore.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from targets.bundle.files import write_sums
from targets.bundle.schema import SIGNATURE
from targets.errors import InputError, listed, printable

PASSPHRASE = "PIPELINE_KEY_PASSPHRASE"
CURVES = ("secp256r1", "secp384r1", "secp521r1")
NEW_KEY = "openssl ecparam -name prime256v1 -genkey -noout -out private.pem"


class Signer(Protocol):
    def __call__(self, folder: Path) -> None:
        """Write `SHA256SUMS` and `model.sig` into a bundle's folder, last of all of its files."""


def sign(folder: Path, key: Path) -> None:
    """Sign with the private key in `key`."""
    by_key(key)(folder)


def by_key(key: Path) -> Signer:
    """A signer with an elliptic key (P-256, P-384, P-521) in PEM. A passphrase is read from the
    environment. Raises `InputError`, so that a wrong key is known before anything is packed."""
    return _signer(
        _config().use_elliptic_key_signer(private_key=key, password=_passphrase(key)), place=key
    )


def by_certificate(key: Path, certificate: Path, chain: tuple[Path, ...]) -> Signer:
    """A signer with the key of `certificate`, which the certificates in `chain` lead to."""
    config = _config()  # first: it names the extra that is not installed
    from cryptography import x509

    if _passphrase(key) is not None:
        raise InputError(
            f"{key}: has a passphrase, which model-signing cannot read with a certificate. Give a "
            "key without one, or leave --certificate out."
        )
    with explained(certificate, "is no certificate in PEM"):
        _require_valid(x509.load_pem_x509_certificate(certificate.read_bytes()), certificate)
    for path in chain:
        with explained(path, "is no certificate in PEM"):
            x509.load_pem_x509_certificates(path.read_bytes())
    with explained(certificate, f"does not belong to the key {key}"):
        config.use_certificate_signer(
            private_key=key,
            signing_certificate=certificate,
            certificate_chain=chain or (certificate,),
        )
    return _signer(config, place=certificate)


def by_sigstore() -> Signer:
    """A signer with the identity that the CI's environment, or else a browser, shows Sigstore."""
    with online("--sigstore"):
        config = _config().use_sigstore_signer(use_ambient_credentials=True)

    def signed(folder: Path) -> None:
        with online("--sigstore"):
            _signer(config, place=Path(SIGNATURE))(folder)

    return signed


def ignored() -> Any:
    """What is not signed: the signature alone. model-signing would leave out git's files too."""
    return library().hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _config() -> Any:
    return library().signing.Config().set_hashing_config(ignored())


def _signer(config: Any, *, place: Path) -> Signer:
    def signed(folder: Path) -> None:
        write_sums(folder)
        (folder / SIGNATURE).unlink(missing_ok=True)
        with explained(place, "cannot sign"):
            config.sign(folder, folder / SIGNATURE)

    return signed


def library() -> Any:
    """`model_signing`, or an `InputError` that says how to install it."""
    try:
        import model_signing
    except ImportError as error:  # also of what it imports
        raise InputError(
            f"signatures need the package '{error.name}', which is not installed: python -m pip "
            "install 'edge-distill[sign]'."
        ) from error
    return model_signing


def _passphrase(key: Path) -> bytes | None:
    """What opens the key, which is checked; None: it needs none."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with explained(key, f"is no private key in PEM. Make one: {NEW_KEY}"):
        content = key.read_bytes()
        given: bytes | None = None
        try:
            found = load_pem_private_key(content, None)
        except TypeError:  # it is encrypted
            given = _given(key)
            with explained(key, f"does not open with the passphrase in {PASSPHRASE}"):
                found = load_pem_private_key(content, given)
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name not in CURVES:
        raise InputError(f"{key}: is no elliptic key of {listed(CURVES)}. Make one: {NEW_KEY}.")
    return given


def _given(key: Path) -> bytes:
    if not (text := os.environ.get(PASSPHRASE)):
        raise InputError(f"{key}: has a passphrase. Give it in the variable {PASSPHRASE}.")
    return text.encode()


def _require_valid(certificate: Any, place: Path) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= datetime.now(UTC) <= end:
        raise InputError(
            f"{place}: is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d} only, so that nobody could "
            "verify the signature. Renew the certificate."
        )


@contextmanager
def explained(place: Path, what: str) -> Iterator[None]:
    """What cryptography and model-signing raise, as `InputError`."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error.strerror}. Check the path.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{place}: {what} ({printable(str(error))}).") from error


@contextmanager
def online(option: str) -> Iterator[None]:
    """What Sigstore raises, as `InputError`."""
    library()  # first: it names the extra that is not installed
    from sigstore.errors import Error
    from sigstore.oidc import IdentityError

    try:
        yield
    except (Error, IdentityError, OSError) as error:  # those of requests are OSErrors
        raise InputError(
            f"{option}: Sigstore does not answer: {printable(str(error))}. It needs the network; "
            "without one use a key (--key)."
        ) from error
