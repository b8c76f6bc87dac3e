"""The reader of bundles, against whatever may come in one."""

import json
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.bundle import container, reading
from targets.bundle.container import END, MalformedError
from targets.bundle.files import check_sums
from targets.bundle.reading import Contents
from targets.bundle.schema import NAME, SUMS
from targets.errors import InputError, VerificationError
from targets.formats import sidecar
from tests.bundles import COLOURS, changed, colours, numbers, packed


def read(bundle: Path, folder: Path) -> Contents:
    """What `pipeline verify` reads before it runs a model."""
    folder.mkdir()
    files = reading.unpack(bundle, folder)
    check_sums(files, error=VerificationError)
    return reading.contents(files)


def refused(bundle: Path, match: str) -> None:
    with pytest.raises(VerificationError, match=match) as error:
        read(bundle, bundle.parent / "out")
    assert str(error.value).isprintable()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return packed(colours(tmp_path / "colours"))


def test_a_zip_and_its_unpacked_folder_are_read_alike(tmp_path: Path, bundle: Path) -> None:
    found = read(bundle, tmp_path / "one")
    assert found == read(bundle.with_suffix(""), tmp_path / "two")
    assert found.bundle.recommended == COLOURS
    assert {path.name for path in (tmp_path / "one").iterdir()} == {NAME, SUMS, "models", "samples"}


def test_every_flipped_byte_is_found(tmp_path: Path, bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    passed = []
    for index in range(len(content)):
        content[index] ^= 1 << index % 8
        with suppress(MalformedError):
            for entry in container.entries_of(BytesIO(content), most=100):
                container.extract(BytesIO(content), entry, BytesIO())
            passed.append(index)
        content[index] ^= 1 << index % 8
    assert passed == []
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    refused(bundle, "not as `pipeline package` wrote it")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(colours(tmp_path_factory.mktemp("known") / "colours"))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_part_cut_out_put_in_or_repeated_is_found(known: Path, data: st.DataObject) -> None:
    content = known.read_bytes()
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    more = data.draw(st.sampled_from([b"", b"\0", content[begin:end] * 2, END.pack(*END_OF_NONE)]))
    other = content[:begin] + more + content[end:]
    place = known.with_name("other.zip")
    place.write_bytes(other)
    with TemporaryDirectory() as folder:
        if other == content:
            reading.unpack(place, Path(folder))
            return
        with pytest.raises((VerificationError, InputError)):
            reading.unpack(place, Path(folder))


END_OF_NONE = (b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)


def forged(path: Path, *names: str, **fields: int) -> Path:
    """A zip of empty files, without gaps, whose directory has `fields` at the first entry."""
    entries, offset = [], 0
    for name in names:
        entries.append(container.Entry(name=name, crc=0, size=0, offset=offset))
        offset = entries[-1].end
    heads = [bytearray(entry.central) for entry in entries]
    for field, value in fields.items():
        at = {"flags": 8, "method": 10, "crc": 16, "packed": 20, "size": 24, "mode": 38}[field]
        struct.pack_into("<H" if at < 16 else "<L", heads[0], at, value)
    directory = b"".join(heads)
    end = END.pack(b"PK\5\6", 0, 0, len(names), len(names), len(directory), offset, 0)
    path.write_bytes(b"".join(entry.local for entry in entries) + directory + end)
    return path


@pytest.mark.parametrize(
    "name",
    ["/etc/x", "../x", "a/../x", "a//b", "./a", "c:/x", "a\\b", "a\0b", "a\nb", "a/", "\u202etxt",
     "e\u0301", "aux", "a/nul.txt", "a.", "a ", "a" * 300, "/".join("a" * 20)],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_writes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(VerificationError, match="the name"):
        read(forged(tmp_path / "in" / "a.zip", name), tmp_path / "in" / "out")
    assert {path.name for path in tmp_path.rglob("*")} == {"in", "a.zip", "out"}


@pytest.mark.parametrize(
    "names", [("A", "a"), ("a", "a/b"), ("B/x", "b"), ("ﬁ", "fi"), ("ß", "ss"), ("É", "é")]
)
def test_names_that_are_one_on_some_system_are_refused(tmp_path: Path, names: list[str]) -> None:
    refused(forged(tmp_path / "a.zip", *sorted(names)), "are one name")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"mode": 0o120777 << 16}, r"its mode \(links are one\)"),
        ({"mode": 0o010644 << 16}, "its mode"),
        ({"mode": 0}, "its mode"),
        ({"flags": 0x801}, r"its flags \(encryption is one\)"),
        ({"flags": 0x808}, "its flags"),
        ({"method": 8}, "its compression"),
        ({"method": 99}, "its compression"),
        ({"packed": 1}, "its compressed size"),
        ({"size": 2**32 - 1}, "its compressed size"),
        ({"size": 2**32 - 1, "packed": 2**32 - 1}, "between its entries and its directory"),
        ({"size": 2**31, "packed": 2**31}, "between its entries and its directory"),
        ({"crc": 1}, "its header is not that of the directory"),
    ],
)
def test_an_entry_that_no_writer_of_ours_writes_is_refused(
    tmp_path: Path, fields: dict[str, int], match: str
) -> None:
    refused(forged(tmp_path / "a.zip", "a", **fields), match)


def test_two_entries_of_a_name_and_another_order_are_refused(tmp_path: Path) -> None:
    refused(forged(tmp_path / "a.zip", "a", "a"), "a: is out of order, or there twice")
    (tmp_path / "out").rmdir()
    refused(forged(tmp_path / "a.zip", "b", "a"), "a: is out of order")


def test_two_entries_with_the_same_bytes_are_refused(tmp_path: Path) -> None:
    """The bomb of David Fifield: https://www.bamsoftware.com/hacks/zipbomb/."""
    path = forged(tmp_path / "a.zip", "a", "b")
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\1\2")
    struct.pack_into("<L", content, second + 42, 0)
    path.write_bytes(content)
    refused(path, "its offset is 0 and not 31")


@pytest.mark.parametrize("place", [0, -1])
def test_bytes_before_or_behind_are_refused(tmp_path: Path, bundle: Path, place: int) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(b"#!" + content if place == 0 else content + b"\n")
    refused(bundle, "not as `pipeline package` wrote it")


def test_a_bundle_packed_by_another_program_says_so(tmp_path: Path, bundle: Path) -> None:
    again = tmp_path / "again.zip"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    refused(again, "changed, cut off or packed by another program")


def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 50_000_000)
    refused(bomb, "its version of its writer|its flags|its compression")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_directory_of_too_many_entries_is_refused_unread(tmp_path: Path) -> None:
    path = forged(tmp_path / "a.zip", *(f"{place:05}" for place in range(10_001)))
    refused(path, "its directory has 10,001 entries")


def test_a_directory_in_64_bits_is_refused(tmp_path: Path, bundle: Path) -> None:
    content = bundle.read_bytes()
    fields = list(END.unpack(content[-END.size :]))
    fields[3:7] = 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    bundle.write_bytes(content[: -END.size] + b"PK\6\7" + b"\0" * 16 + END.pack(*fields))
    refused(bundle, "its last record does not describe it")


@pytest.mark.parametrize("keep", [0, 1, 21, 22, 100, -1, -22, -23])
def test_a_bundle_cut_off_is_refused(tmp_path: Path, bundle: Path, keep: int) -> None:
    bundle.write_bytes(bundle.read_bytes()[:keep])
    with pytest.raises((VerificationError, InputError)):
        read(bundle, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda folder: (folder / COLOURS).unlink(), f"missing: {COLOURS}"),
        (lambda folder: (folder / "more").touch(), "not in the list: more"),
        (lambda folder: (folder / COLOURS).write_bytes(b"x"), f"changed: {COLOURS}"),
        (lambda folder: (folder / SUMS).write_text(""), "not in the list: bundle.json"),
        (lambda folder: (folder / SUMS).unlink(), "SHA256SUMS: is missing"),
        (lambda folder: (folder / SUMS).write_bytes(b"\xff\n"), "not in the list"),
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), "link: is a link"),
        (lambda folder: (folder / "samples" / "up").symlink_to(".."), "up: is a link"),
    ],
)
def test_an_unpacked_bundle_with_other_files_is_refused(
    tmp_path: Path, bundle: Path, change: Callable[[Path], object], match: str
) -> None:
    change(bundle.with_suffix(""))
    refused(bundle.with_suffix(""), match)


def sums_with_a_line_more(folder: Path) -> None:
    with (folder / SUMS).open("a") as file:
        file.write("# a comment\n")


def test_the_list_itself_has_one_form(tmp_path: Path, bundle: Path) -> None:
    sums_with_a_line_more(bundle.with_suffix(""))
    refused(bundle.with_suffix(""), "the list itself is damaged")


MODEL = {"name": "student.int8.onnx", "file": COLOURS, "sha256": "0", "measured_sha256": "0"}
SAMPLE = {"file": "samples/red.png", "label": "red", "predicted": {COLOURS: "red"}}


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"schema": "bundle/2"}, "schema: Input should be 'bundle/1'"),
        ({"more": 1}, "more: Extra inputs"),
        ({"models": []}, "models: "),
        ({"recommended": "models/other.onnx"}, "recommended: models/other.onnx is none"),
        ({"models": [MODEL]}, "another sha256"),
        ({"models": [{**MODEL, "file": "../x"}], "recommended": "../x"}, "no file ../x"),
        ({"models": [{**MODEL, "file": "/etc/passwd"}], "recommended": "/etc/passwd"}, "no file"),
        ({"samples": [{**SAMPLE, "file": "../x.png"}]}, "no file ../x.png"),
        ({"samples": [{**SAMPLE, "file": COLOURS}]}, "is no .png or .npy"),
        ({"samples": [{**SAMPLE, "predicted": {}}]}, "no class is recorded"),
        ({"samples": [{**SAMPLE, "predicted": {"other": "red"}}]}, "other is none of its models"),
        ({"samples": [{**SAMPLE, "predicted": {COLOURS: "pink"}}]}, "pink is no class"),
        ({"samples": "\x1b[2J"}, "samples: "),
    ],
)
def test_a_bundle_that_contradicts_itself_is_refused(
    tmp_path: Path, values: dict[str, object], match: str
) -> None:
    refused(packed(changed(colours(tmp_path / "colours"), **values)), match)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, "\ud800", '{"a": NaN}'])
def test_a_bundle_without_its_document_is_refused(tmp_path: Path, text: str) -> None:
    folder = colours(tmp_path / "colours")
    (folder / NAME).write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(packed(folder), "bundle.json: ")


def test_a_sidecar_of_another_file_or_missing_is_refused(tmp_path: Path) -> None:
    folder = colours(tmp_path / "colours")
    place = sidecar.path_of(folder / COLOURS)
    content = json.loads(place.read_text())
    place.write_text(json.dumps({**content, "sha256": "0" * 64}))
    refused(packed(folder), "describes another file")
    (tmp_path / "out2").mkdir()
    place.unlink()
    with pytest.raises(VerificationError, match=f"there is no file {COLOURS}"):
        read(packed(folder), tmp_path / "out3")


def test_what_is_no_bundle_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "folder").mkdir()
    for name, match in {
        "photo.jpg": "is no zip",
        "folder": "is a folder without bundle.json",
        "nothing": "is no file",
    }.items():
        with pytest.raises(InputError, match=match):
            read(tmp_path / name, tmp_path / f"out-{name}")


def test_a_bundle_without_pictures_is_read_too(tmp_path: Path) -> None:
    assert len(read(packed(numbers(tmp_path / "numbers")), tmp_path / "out").bundle.samples) == 3
