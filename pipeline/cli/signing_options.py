"""How a bundle is signed, and whose signature is trusted: options of `package` and `verify`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.options import PATH
from targets.errors import InputError

if TYPE_CHECKING:
    from targets.bundle.signing import Signer
    from targets.bundle.trust import Trust

F = TypeVar("F", bound=Callable[..., Any])
_SIGNING = (
    click.option("--key", type=PATH, help="Sign with this private key, elliptic and in PEM."),
    click.option("--certificate", type=PATH, help="Certificate of --key, in PEM."),
    click.option(
        "--certificate-chain",
        "chain",
        type=PATH,
        multiple=True,
        help="Certificates between --certificate and the receiver's root, in PEM; may be repeated.",
    ),
    click.option(
        "--sigstore", is_flag=True, help="Sign with your identity at Sigstore; needs the network."
    ),
)
_TRUST = (
    click.option("--key", type=PATH, help="Public key of the signer, in PEM."),
    click.option(
        "--certificate-chain",
        "roots",
        type=PATH,
        multiple=True,
        help="Root certificate that the signer's leads to, in PEM; may be repeated.",
    ),
    click.option("--sigstore-identity", "identity", help="Identity of the signer at Sigstore."),
    click.option(
        "--sigstore-issuer", "issuer", help="OpenID Connect issuer of that identity, a URL."
    ),
)


def signing_options(command: F) -> F:
    """Add the options of `SigningOptions` to a command."""
    for option in reversed(_SIGNING):
        command = option(command)
    return command


def trust_options(command: F) -> F:
    """Add the options of `TrustOptions` to a command."""
    for option in reversed(_TRUST):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class SigningOptions:
    key: Path | None
    certificate: Path | None
    chain: tuple[Path, ...]
    sigstore: bool

    def signer(self) -> "Signer | None":
        """Checked, so that it is called before anything is packed; None: do not sign."""
        from targets.bundle import signing

        if self.sigstore and (self.key or self.certificate or self.chain):
            raise InputError("--sigstore signs without a key: leave the other options out.")
        if self.key is None and (self.certificate or self.chain):
            raise InputError("--certificate needs its private key: give it with --key.")
        if self.certificate is None and self.chain:
            raise InputError("--certificate-chain leads from --certificate: give that one too.")
        if self.sigstore:
            return signing.by_sigstore()
        if self.key is None:
            return None
        if self.certificate is None:
            return signing.by_key(self.key)
        return signing.by_certificate(self.key, self.certificate, self.chain)


@dataclass(frozen=True, kw_only=True)
class TrustOptions:
    key: Path | None
    roots: tuple[Path, ...]
    identity: str | None
    issuer: str | None

    def trust(self) -> "Trust | None":
        """None: the signature is not checked."""
        from targets.bundle import trust

        if (self.identity is None) != (self.issuer is None):
            raise InputError(
                "--sigstore-identity and --sigstore-issuer belong together: give both."
            )
        if sum(map(bool, (self.key, self.roots, self.identity))) > 1:
            raise InputError(
                "--key, --certificate-chain and --sigstore-identity are three ways to know the "
                "signer: give one."
            )
        if self.key is not None:
            return trust.in_key(self.key)
        if self.roots:
            return trust.in_roots(self.roots)
        if self.identity is None or self.issuer is None:
            return None
        return trust.in_identity(self.identity, self.issuer)
