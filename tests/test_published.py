"""A file of results is published by one rename."""

from pathlib import Path

import pytest

from targets.errors import InputError
from targets.files.published import published
from tests.disk import largest_file


def test_the_file_appears_after_the_block_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    with published(path, remedy="") as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_a_block_that_raises_leaves_the_old_file_alone(
    error: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(error), published(path, remedy="") as part:  # noqa: PT012
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_input_error_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with (
        largest_file(100),
        pytest.raises(InputError, match=r"result\.json: cannot be written: .*\. Make room\.$"),
        published(path, remedy="Make room.") as part,
    ):
        part.write_bytes(bytes(1000))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"file/result\.json: cannot be written: .*Give another"),
        published(tmp_path / "file" / "result.json", remedy="Give another folder."),
    ):
        pass
