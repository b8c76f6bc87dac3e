"""Whose signature a receiver trusts, and whether a bundle has it over every file."""

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.bundle.schema import SIGNATURE
from targets.bundle.signing import explained, ignored, library, online
from targets.errors import InputError, VerificationError, listed, printable

MOST_SIGNATURE = 2**24
KINDS = {
    "publicKey": "--key PUBLIC.pem",
    "x509CertificateChain": "--certificate-chain ROOT.pem",
    "certificate": "--sigstore-identity and --sigstore-issuer",
}
"""Key of the verification material in a signature -> the options that verify it."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """One way to know the signer."""

    kind: str
    """Key of `KINDS`."""
    config: Any
    """`model_signing.verifying.Config`."""
    who: str
    roots: tuple[Path, ...] = ()


def in_key(public: Path) -> Trust:
    """Raises `InputError` for what is no public key, as the functions below do."""
    config = _config()  # first: it names the extra that is not installed
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if public.is_file() and b"PRIVATE KEY" in public.read_bytes():
        raise InputError(
            f"{public}: is a private key, which only the signer has. Give the public one: "
            f"openssl pkey -in {public} -pubout -out public.pem."
        )
    with explained(public, "is no public elliptic key in PEM"):
        load_pem_public_key(public.read_bytes())
        config.use_elliptic_key_verifier(public_key=public)
    return Trust(kind="publicKey", config=config, who=f"the key {public}")


def in_roots(roots: tuple[Path, ...]) -> Trust:
    config = _config()
    from cryptography import x509

    for path in roots:
        with explained(path, "is no certificate in PEM"):
            x509.load_pem_x509_certificates(path.read_bytes())
    config.use_certificate_verifier(certificate_chain=roots)
    who = f"a certificate of {listed([str(path) for path in roots])}"
    return Trust(kind="x509CertificateChain", config=config, who=who, roots=roots)


def in_identity(identity: str, issuer: str) -> Trust:
    with online("--sigstore-identity"):
        config = _config().use_sigstore_verifier(identity=identity, oidc_issuer=issuer)
    return Trust(kind="certificate", config=config, who=f"{identity} of {issuer}")


def verify(folder: Path, files: dict[str, Path], trust: Trust) -> str:
    """Who signed all of `files`, which are those of `folder`. Raises `VerificationError`."""
    with _refused(trust):
        content = _read(files)
        _require_kind(content["verificationMaterial"], trust)
        with redirect_stdout(sys.stderr):  # model-signing prints a warning there
            trust.config.verify(folder, files[SIGNATURE])
        if trust.roots:
            _require_valid_now(content["verificationMaterial"], trust.roots)
        _require_all(json.loads(base64.b64decode(content["dsseEnvelope"]["payload"])), files)
    return trust.who


def how(files: dict[str, Path]) -> str:
    """The options that verify the signature among `files`, of which nothing is trusted yet."""
    try:
        kind = _kind(_read(files)["verificationMaterial"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        kind = None
    return f"give {KINDS[kind or 'publicKey'].replace(' PUBLIC.pem', '')}"


def _config() -> Any:
    return library().verifying.Config().set_hashing_config(ignored())


def _read(files: dict[str, Path]) -> Any:
    if SIGNATURE not in files:
        raise VerificationError("The bundle is not signed, and a signature was asked for.")
    if files[SIGNATURE].stat().st_size > MOST_SIGNATURE:
        raise ValueError("too large")
    return json.loads(files[SIGNATURE].read_bytes())


def _require_kind(material: dict[str, object], trust: Trust) -> None:
    kind = _kind(material)
    if kind != trust.kind:
        how = f"with {KINDS[kind]}" if kind else "not at all"
        raise VerificationError(f"{SIGNATURE}: can be verified {how}, not as asked.")


def _kind(material: dict[str, object]) -> str | None:
    return next((kind for kind in KINDS if material.get(kind)), None)


def _require_valid_now(material: Any, roots: tuple[Path, ...]) -> None:
    """model-signing checks the chain at the first moment of the certificate, so that it accepts
    expired ones. Nothing proves when a signature was made: what counts is today."""
    from cryptography import x509
    from OpenSSL import crypto

    der = [
        base64.b64decode(one["rawBytes"])
        for one in material["x509CertificateChain"]["certificates"]
    ]
    leaf, *between = [crypto.X509.from_cryptography(x509.load_der_x509_certificate(d)) for d in der]
    store = crypto.X509Store()
    for root in x509.load_pem_x509_certificates(b"\n".join(path.read_bytes() for path in roots)):
        store.add_cert(crypto.X509.from_cryptography(root))
    crypto.X509StoreContext(store, leaf, between).verify_certificate()


def _require_all(statement: Any, files: dict[str, Path]) -> None:
    """The statement, which is signed, may say that files are to be ignored."""
    signed = {one["name"] for one in statement["predicate"]["resources"]}
    if signed != files.keys() - {SIGNATURE}:
        loose = sorted(files.keys() - {SIGNATURE} - signed)
        raise VerificationError(f"{SIGNATURE}: does not cover {listed(loose)}.")


@contextmanager
def _refused(trust: Trust) -> Iterator[None]:
    from cryptography.exceptions import InvalidSignature

    try:
        yield
    except VerificationError:
        raise
    except InvalidSignature as error:
        raise _wrong(trust, "was not made with it, or was changed since") from error
    except Exception as error:  # libraries read here what a stranger sent
        reason = printable(str(error)) or type(error).__name__
        raise _wrong(trust, reason.rstrip(". ")) from error


def _wrong(trust: Trust, why: str) -> VerificationError:
    return VerificationError(
        f"{SIGNATURE}: is not the signature by {trust.who} of these files: {why}. Do not use the "
        "bundle: get it again from its maker."
    )
