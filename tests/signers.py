"""Keys and certificates of people who sign bundles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


def key_pair(
    folder: Path,
    name: str,
    *,
    passphrase: bytes | None = None,
    curve: ec.EllipticCurve | None = None,
) -> tuple[Path, Path]:
    """Files with a private and its public key."""
    return _written(folder, name, ec.generate_private_key(curve or ec.SECP256R1()), passphrase)


def rsa_pair(folder: Path) -> tuple[Path, Path]:
    return _written(folder, "rsa", rsa.generate_private_key(65537, 2048), None)


def _written(
    folder: Path,
    name: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    passphrase: bytes | None,
) -> tuple[Path, Path]:
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def root(folder: Path, name: str = "root") -> tuple[Path, Path]:
    """The key and the certificate of an authority."""
    key, _ = key_pair(folder, name)
    return key, _certificate(folder, name, key, (name, key), authority=True)


def certified(
    folder: Path, name: str, by: tuple[Path, Path], *, days: Sequence[int] = (-365, 365)
) -> tuple[Path, Path]:
    """A key and its certificate by an authority, valid from and to these days from now."""
    key, _ = key_pair(folder, name)
    begin, end = (NOW + timedelta(days=count) for count in days)
    path = _certificate(folder, name, key, (by[0].stem, by[0]), begin=begin, end=end)
    return key, path


def _certificate(
    folder: Path,
    name: str,
    key: Path,
    by: tuple[str, Path],
    *,
    authority: bool = False,
    begin: datetime = NOW - 2 * YEAR,
    end: datetime = NOW + 2 * YEAR,
) -> Path:
    usage = x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    signer = _private(by[1])
    content = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by[0]))
        .public_key(_private(key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(signer, hashes.SHA256())
    )
    path = folder / f"{name}.crt"
    path.write_bytes(content.public_bytes(Encoding.PEM))
    return path


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
