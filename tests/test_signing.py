"""Signatures of bundles: who signed which files."""

import base64
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from targets.bundle import signing, trust
from targets.bundle.files import files_of
from targets.bundle.schema import SIGNATURE, SUMS
from targets.bundle.signing import PASSPHRASE
from targets.bundle.trust import Trust
from targets.errors import InputError, VerificationError
from tests.signers import certified, key_pair, root, rsa_pair

SIGNING = ("model_signing", "sigstore", "cryptography", "OpenSSL")
"""What the extra `sign` brings."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "a").write_bytes(b"model")
    (folder / ".gitattributes").write_bytes(b"")
    return folder


def verify(folder: Path, known: Trust) -> str:
    return trust.verify(folder, files_of(folder, error=VerificationError), known)


def refused(folder: Path, known: Trust, match: str) -> None:
    with pytest.raises(VerificationError, match=match) as error:
        verify(folder, known)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_what_a_key_signed_its_public_key_verifies(
    tmp_path: Path, folder: Path, curve: ec.EllipticCurve
) -> None:
    private, public = key_pair(tmp_path, "a", curve=curve)
    signing.sign(folder, private)
    assert (folder / SUMS).is_file()
    assert verify(folder, trust.in_key(public)) == f"the key {public}"
    signing.sign(folder, private)  # again, over a signature
    assert verify(folder, trust.in_key(public))


def test_another_key_is_refused(tmp_path: Path, folder: Path) -> None:
    signing.sign(folder, key_pair(tmp_path, "a")[0])
    other = key_pair(tmp_path, "b")[1]
    refused(folder, trust.in_key(other), "is not the signature by the key .*b.pub.pem.*mismatch")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "models" / "a").write_bytes(b"Model"),
        lambda folder: (folder / "models" / "a").unlink(),
        lambda folder: (folder / "models" / "b").touch(),
        lambda folder: (folder / SUMS).write_bytes(b""),
        lambda folder: (folder / ".gitattributes").write_bytes(b"* filter=x"),
        lambda folder: (folder / ".gitignore").touch(),
        lambda folder: (folder / "models" / SIGNATURE).touch(),
    ],
)
def test_a_signature_covers_every_file(
    tmp_path: Path, folder: Path, change: Callable[[Path], object]
) -> None:
    private, public = key_pair(tmp_path, "a")
    signing.sign(folder, private)
    change(folder)
    refused(folder, trust.in_key(public), "Signature mismatch")


def test_a_signature_of_the_same_key_that_leaves_a_file_out_is_refused(
    tmp_path: Path, folder: Path
) -> None:
    from model_signing import hashing
    from model_signing import signing as library

    private, public = key_pair(tmp_path, "a")
    loose = hashing.Config().set_ignored_paths(paths=[SIGNATURE, "models"], ignore_git_paths=False)
    config = library.Config().set_hashing_config(loose)
    config.use_elliptic_key_signer(private_key=private).sign(folder, folder / SIGNATURE)
    refused(folder, trust.in_key(public), "model.sig: does not cover models/a")


def test_a_signature_of_another_bundle_is_refused(tmp_path: Path, folder: Path) -> None:
    private, public = key_pair(tmp_path, "a")
    signing.sign(folder, private)
    (other := tmp_path / "other").mkdir()
    (other / "file").touch()
    signing.sign(other, private)
    (folder / SIGNATURE).write_bytes((other / SIGNATURE).read_bytes())
    refused(folder, trust.in_key(public), "Signature mismatch")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"verificationMaterial": 1}',
     b'{"verificationMaterial": {"publicKey": {"hint": "x"}}}'],
)  # fmt: skip
def test_a_damaged_signature_is_refused(tmp_path: Path, folder: Path, content: bytes) -> None:
    _, public = key_pair(tmp_path, "a")
    (folder / SIGNATURE).write_bytes(content)
    with pytest.raises(VerificationError, match=SIGNATURE):
        verify(folder, trust.in_key(public))


def test_a_changed_statement_is_refused(tmp_path: Path, folder: Path) -> None:
    private, public = key_pair(tmp_path, "a")
    signing.sign(folder, private)
    content = json.loads((folder / SIGNATURE).read_text())
    statement = base64.b64decode(content["dsseEnvelope"]["payload"])
    content["dsseEnvelope"]["payload"] = base64.b64encode(statement + b" ").decode()
    (folder / SIGNATURE).write_text(json.dumps(content))
    refused(folder, trust.in_key(public), "was not made with it, or was changed since")


def test_a_bundle_without_a_signature_is_refused_with_a_key(tmp_path: Path, folder: Path) -> None:
    refused(folder, trust.in_key(key_pair(tmp_path, "a")[1]), "is not signed")


def test_a_signature_without_its_hint_says_nothing_on_stdout(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = key_pair(tmp_path, "a")
    signing.sign(folder, private)
    content = json.loads((folder / SIGNATURE).read_text())
    content["verificationMaterial"]["publicKey"] = {"hint": None}
    (folder / SIGNATURE).write_text(json.dumps(content))
    verify(folder, trust.in_key(public))
    assert capsys.readouterr().out == ""


def test_a_certificate_leads_to_its_root(tmp_path: Path, folder: Path) -> None:
    authority, other = root(tmp_path), root(tmp_path, "other")
    key, certificate = certified(tmp_path, "signer", authority)
    signing.by_certificate(key, certificate, (authority[1],))(folder)
    assert "root.crt" in verify(folder, trust.in_roots((authority[1],)))
    refused(folder, trust.in_roots((other[1],)), "unable to get|self-signed")


def test_a_certificate_without_a_chain_is_enough(tmp_path: Path, folder: Path) -> None:
    authority = root(tmp_path)
    key, certificate = certified(tmp_path, "signer", authority)
    signing.by_certificate(key, certificate, ())(folder)
    assert verify(folder, trust.in_roots((authority[1],)))


def test_a_certificate_that_expired_since_is_refused(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """model-signing alone accepts it."""
    authority = root(tmp_path)
    key, certificate = certified(tmp_path, "signer", authority, days=(-365, -1))
    monkeypatch.setattr(signing, "_require_valid", lambda certificate, place: None)
    signing.by_certificate(key, certificate, (authority[1],))(folder)
    known = trust.in_roots((authority[1],))
    known.config.verify(folder, folder / SIGNATURE)
    refused(folder, known, "certificate has expired")


@pytest.mark.parametrize("days", [(-365, -1), (1, 365)])
def test_nobody_signs_with_a_certificate_that_is_not_valid(
    tmp_path: Path, days: tuple[int, int]
) -> None:
    authority = root(tmp_path)
    key, certificate = certified(tmp_path, "signer", authority, days=days)
    with pytest.raises(InputError, match=r"signer.crt: is valid from .* Renew the certificate"):
        signing.by_certificate(key, certificate, ())


def test_a_certificate_of_another_key_or_with_a_passphrase_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = root(tmp_path)
    _, certificate = certified(tmp_path, "signer", authority)
    with pytest.raises(InputError, match="does not belong to the key"):
        signing.by_certificate(key_pair(tmp_path, "a")[0], certificate, ())
    locked, _ = key_pair(tmp_path, "locked", passphrase=b"open")
    monkeypatch.setenv(PASSPHRASE, "open")
    with pytest.raises(InputError, match="cannot read with a certificate"):
        signing.by_certificate(locked, certificate, ())


def test_each_kind_of_signature_names_the_options_that_verify_it(
    tmp_path: Path, folder: Path
) -> None:
    authority = root(tmp_path)
    private, public = key_pair(tmp_path, "a")
    signing.sign(folder, private)
    files = files_of(folder, error=VerificationError)
    assert trust.how(files) == "give --key"
    refused(folder, trust.in_roots((authority[1],)), "with --key PUBLIC.pem, not as asked")
    key, certificate = certified(tmp_path, "signer", authority)
    signing.by_certificate(key, certificate, ())(folder)
    assert trust.how(files) == "give --certificate-chain ROOT.pem"
    refused(folder, trust.in_key(public), "with --certificate-chain ROOT.pem, not as asked")


def test_a_passphrase_comes_from_the_environment(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = key_pair(tmp_path, "a", passphrase=b"open")
    monkeypatch.delenv(PASSPHRASE, raising=False)
    with pytest.raises(InputError, match=f"has a passphrase. Give it in the variable {PASSPHRASE}"):
        signing.by_key(private)
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(InputError, match="does not open with the passphrase") as error:
        signing.by_key(private)
    assert "wrong" not in str(error.value)
    monkeypatch.setenv(PASSPHRASE, "open")
    signing.sign(folder, private)
    assert verify(folder, trust.in_key(public))


def test_what_is_no_key_is_one_error_before_anything_is_written(
    tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "text").write_bytes(b"text")
    _, public = key_pair(tmp_path, "a")
    for path in (tmp_path / "text", public, tmp_path / "nothing", rsa_pair(tmp_path)[0]):
        with pytest.raises(InputError) as error:
            signing.sign(folder, path)
        assert str(path) in str(error.value)
        assert str(error.value).isprintable()
    assert not (folder / SIGNATURE).exists()


def test_what_is_no_public_key_or_root_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"text")
    private, public = key_pair(tmp_path, "a")
    with pytest.raises(InputError, match="is a private key, which only the signer has"):
        trust.in_key(private)
    for path in (tmp_path / "text", tmp_path / "nothing", tmp_path, rsa_pair(tmp_path)[1]):
        with pytest.raises(InputError):
            trust.in_key(path)
    _, good = root(tmp_path)
    for path in (tmp_path / "text", tmp_path / "nothing", public):
        with pytest.raises(InputError, match=re.escape(f"{path}: ")):
            trust.in_roots((good, path))


def test_without_a_network_sigstore_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")
    with pytest.raises(InputError, match="Sigstore does not answer"):
        signing.by_sigstore()
    with pytest.raises(InputError, match="Sigstore does not answer"):
        trust.in_identity("a@example.org", "https://example.org")


def test_without_the_package_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = key_pair(tmp_path, "a")
    for name in [n for n in sys.modules if n.split(".")[0] in SIGNING]:
        monkeypatch.delitem(sys.modules, name)
    for name in SIGNING:
        monkeypatch.setitem(sys.modules, name, None)
    for act in (
        lambda: signing.by_key(private),
        lambda: signing.by_certificate(private, public, ()),
        signing.by_sigstore,
        lambda: trust.in_key(public),
        lambda: trust.in_roots((public,)),
        lambda: trust.in_identity("a", "b"),
    ):
        with pytest.raises(InputError, match=r"pip install 'edge-distill\[sign\]'"):
            act()
