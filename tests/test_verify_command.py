"""`pipeline verify`, as a receiver calls it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.app import exit_code
from targets.bundle import signing
from targets.bundle.schema import SIGNATURE
from targets.bundle.trial import processor, raw_input
from targets.errors import VerificationError
from targets.files.digest import file_sha256
from targets.formats import sidecar
from tests.bundles import COLOURS, NUMBERS, changed, colours, described, numbers, packed
from tests.picture_models import CLASSES, colour_file, describe
from tests.signers import certified, key_pair, root

Captured = pytest.CaptureFixture[str]
HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999,), }"
HUGE = b"\x93NUMPY\x01\x00" + len(HEADER).to_bytes(2, "little") + HEADER


def verify(bundle: Path, *options: str | Path) -> int:
    return exit_code(["verify", str(bundle), *map(str, options)])


def verdicts(text: str) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in text.splitlines()}


PASSED = {
    "container": "passed", "digests": "passed", "signature": "skipped", "contents": "passed",
    "models": "passed", "samples": "passed",
}  # fmt: skip


@pytest.mark.parametrize("made", [colours, numbers])
def test_each_step_has_its_line_and_the_samples_name_this_processor(
    tmp_path: Path, made: Callable[[Path], Path], capsys: Captured
) -> None:
    assert verify(packed(made(tmp_path / "small"))) == 0
    out = capsys.readouterr().out
    assert verdicts(out) == PASSED
    assert "signature  skipped  not signed" in out
    assert f"3 of 3 classes as recorded on this processor, {processor()}" in out
    assert verify(tmp_path / "small") == 0


def test_json_is_one_document_also_of_a_failure(tmp_path: Path, capsys: Captured) -> None:
    bundle = packed(numbers(tmp_path / "small"))
    assert verify(bundle, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["verified"], len(found["steps"])) == ("verification/1", True, 6)
    bundle.write_bytes(bundle.read_bytes() + b" ")
    assert verify(bundle, "--json") == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["verified"], [step["verdict"] for step in found["steps"]]) == (False, ["failed"])
    assert captured.err == f"Error: {found['steps'][0]['text']}\n"


def test_a_signature_that_is_not_checked_is_said(tmp_path: Path, capsys: Captured) -> None:
    private, public = key_pair(tmp_path, "a")
    folder = numbers(tmp_path / "small")
    signing.sign(folder, private)
    bundle = packed(folder)
    assert verify(bundle) == 0
    assert "signature  skipped  not checked (give --key)" in capsys.readouterr().out
    assert verify(bundle, "--key", public) == 0
    assert f"signature  passed   by the key {public}" in capsys.readouterr().out


def test_no_model_runs_before_the_signature_has_passed(tmp_path: Path, capsys: Captured) -> None:
    folder = colours(tmp_path / "small")
    signing.sign(folder, key_pair(tmp_path, "a")[0])
    bundle = packed(folder)
    assert verify(bundle, "--key", key_pair(tmp_path, "b")[1]) == 1
    captured = capsys.readouterr()
    assert verdicts(captured.out) == {
        "container": "passed", "digests": "passed", "signature": "failed",
    }  # fmt: skip
    assert captured.err.startswith(f"Error: {SIGNATURE}: is not the signature by the key")
    assert captured.err.count("\n") == 1


def test_a_key_for_a_bundle_that_is_not_signed_fails(tmp_path: Path, capsys: Captured) -> None:
    bundle = packed(numbers(tmp_path / "small"))
    assert verify(bundle, "--key", key_pair(tmp_path, "a")[1]) == 1
    assert "The bundle is not signed" in capsys.readouterr().err


def test_a_certificate_is_verified_by_its_root(tmp_path: Path) -> None:
    authority, folder = root(tmp_path), numbers(tmp_path / "small")
    key, certificate = certified(tmp_path, "signer", authority)
    signing.by_certificate(key, certificate, (authority[1],))(folder)
    bundle = packed(folder)
    assert verify(bundle, "--certificate-chain", authority[1]) == 0
    assert verify(bundle, "--certificate-chain", root(tmp_path, "other")[1]) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--key", "nothing.pem"], "nothing.pem: cannot be read"),
        (["--sigstore-identity", "a"], "belong together"),
        (["--key", "a", "--certificate-chain", "b"], "three ways to know the signer"),
    ],
)
def test_wrong_options_are_known_before_the_bundle_is_read(
    tmp_path: Path, options: list[str], match: str, capsys: Captured
) -> None:
    assert verify(tmp_path / "nothing.zip", *options) == 2
    assert match in capsys.readouterr().err


def test_what_is_no_bundle_is_exit_2(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    for name in ("photo.jpg", "nothing.zip", "."):
        assert verify(tmp_path / name) == 2
        assert "`pipeline package`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "match"), [(b"", "cannot load it"), (b"\0" * 100, "cannot load it")]
)
def test_a_model_that_does_not_load_fails(
    tmp_path: Path, content: bytes, match: str, capsys: Captured
) -> None:
    folder = numbers(tmp_path / "small")
    replaced(folder, NUMBERS, content)
    assert verify(packed(folder)) == 1
    captured = capsys.readouterr()
    assert verdicts(captured.out)["models"] == "failed"
    assert match in captured.err
    assert captured.err.startswith(f"Error: {NUMBERS}: ")


def replaced(folder: Path, model: str, content: bytes) -> None:
    """Another model file, with digests that agree."""
    old = file_sha256(folder / model)
    (folder / model).write_bytes(content)
    new = file_sha256(folder / model)
    for path in (folder / f"{model}.json", folder / "bundle.json"):
        path.write_text(path.read_text().replace(old, new))


def test_a_runtime_that_crashes_is_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    bundle = packed(numbers(tmp_path / "small"))
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(crash))
    assert verify(bundle) == 1
    assert f"{NUMBERS}: " in (err := capsys.readouterr().err)
    assert "the runtime crashed (SIGSEGV)" in err


def test_a_model_that_never_ends_is_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    bundle = packed(numbers(tmp_path / "small"))
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(slow))
    assert verify(bundle, "--timeout", "1") == 1
    assert "not done after 1 s" in capsys.readouterr().err


def test_another_class_than_recorded_fails(tmp_path: Path, capsys: Captured) -> None:
    folder = colours(tmp_path / "small")
    pairs = zip(CLASSES, (*CLASSES[1:], CLASSES[0]), strict=True)
    described(folder, COLOURS, {f"samples/{one}.png": other for one, other in pairs})
    assert verify(packed(folder)) == 1
    captured = capsys.readouterr()
    assert verdicts(captured.out)["samples"] == "failed"
    assert "3 of 3 samples get another class" in captured.err
    assert "samples/red.png is red, recorded green" in captured.err


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\xff\xff"),
        lambda path: np.save(path, np.zeros((4,), np.float32)),
        lambda path: np.save(path, np.array([None, None, None]), allow_pickle=True),
        lambda path: path.write_bytes(HUGE),
    ],
)
def test_a_sample_that_cannot_be_read_fails(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    folder = numbers(tmp_path / "small")
    write(folder / "samples" / "0.npy")
    found = sidecar.read(folder / NUMBERS)
    assert found is not None
    with pytest.raises(VerificationError, match=r"samples/0.npy: (is|cannot be read)") as error:
        raw_input(folder, "samples/0.npy", found)
    assert str(error.value).isprintable()


def test_scores_that_are_no_numbers_fail(tmp_path: Path, capsys: Captured) -> None:
    folder = numbers(tmp_path / "small")
    np.save(folder / "samples" / "0.npy", np.array([np.nan] * 3, np.float32))
    assert verify(packed(folder)) == 1
    assert verdicts(capsys.readouterr().out)["samples"] == "failed"


def test_a_picture_of_another_size_is_not_the_recorded_input(
    tmp_path: Path, capsys: Captured
) -> None:
    folder = colours(tmp_path / "small")
    Image.new("RGB", (9, 8)).save(folder / "samples" / "red.png")
    assert verify(packed(folder)) == 1
    assert "samples/red.png: is uint8 [8, 9, 3], not [8, 8, 3]" in capsys.readouterr().err


def test_a_sidecar_that_disagrees_with_its_model_fails(tmp_path: Path, capsys: Captured) -> None:
    folder = colours(tmp_path / "small")
    describe(folder / COLOURS, classes=CLASSES, fit="crop", shape=(9, 9, 3))
    assert verify(packed(folder)) == 1
    assert verdicts(capsys.readouterr().out)["models"] == "failed"
    describe(folder / COLOURS, classes=[*CLASSES, "other"], fit="crop", shape=(8, 8, 3))
    described(folder, COLOURS, {"samples/red.png": "red"})
    assert verify(packed(folder)) == 1
    assert "does not give one score for each of 4 classes" in capsys.readouterr().err


@pytest.mark.parametrize("made", [colours, numbers])
def test_a_file_that_says_something_else_of_itself_fails(
    tmp_path: Path, made: Callable[[Path], Path], capsys: Captured
) -> None:
    assert verify(packed(changed(made(tmp_path / "small"), version="2.0"))) == 1
    captured = capsys.readouterr()
    assert verdicts(captured.out)["models"] == "failed"
    assert "its metadata are not those of the bundle: version." in captured.err


def test_a_bundle_without_samples_says_so(tmp_path: Path, capsys: Captured) -> None:
    assert verify(packed(changed(numbers(tmp_path / "small"), samples=[]))) == 0
    assert "samples    skipped  the bundle has none" in capsys.readouterr().out


def test_a_model_that_reads_files_outside_is_refused(tmp_path: Path, capsys: Captured) -> None:
    import onnx

    folder = colours(tmp_path / "small")
    path = colour_file(tmp_path / "outside.onnx", dims=(1, 8, 8, 3), dtype=2, gain=1 / 16)
    model = onnx.load(path)
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../../../../etc/passwd")
    replaced(folder, COLOURS, model.SerializeToString())
    assert verify(packed(folder)) == 1
    assert "outside of its folder" in capsys.readouterr().err


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    bundle = packed(numbers(tmp_path / "small"))
    assert verify(bundle) == 0
    bundle.write_bytes(bundle.read_bytes()[:-1])
    assert verify(bundle) == 1
    assert os.listdir(tmp_path / "tmp") == []  # noqa: PTH208
