"""The documentation is held to the code."""

import re
import tomllib
from pathlib import Path

import pytest

from pipeline.cli.app import main
from pipeline.recipe.schema import Recipe
from targets.devices import DEVICE_KINDS, inventory
from tests.conftest import Lane

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}


def quick_start() -> list[str]:
    section = README.partition("## Quick start")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [block.strip() for block in blocks]


def test_two_copy_and_paste_lines_do_all_the_set_up() -> None:
    first, second = quick_start()
    assert "\n" not in first
    assert "\n" not in second
    assert first.endswith("pipeline run --target tflite")
    assert second.endswith("-m pytest")
    assert "constraints.txt" in first
    assert "constraints.txt" in second


def test_ci_calls_the_second_line_as_the_readme_has_it() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert f'test_command="{quick_start()[1]}"' in script
    assert script.rstrip().endswith('eval "$test_command"')


def test_every_command_is_in_the_readme_and_every_one_there_exists() -> None:
    listed = set(re.findall(r"^\| `pipeline (\w+)", README, re.MULTILINE))
    assert listed == set(main.commands)


DEVICES = "# devices.toml"
USED = [README, *(text for name, text in PAGES.items() if name != "adding.md")]
TABLES = re.findall(r"```toml\n(.*?)```", "\n".join(USED), re.DOTALL)


@pytest.mark.parametrize("text", [text for text in TABLES if not text.startswith(DEVICES)])
def test_every_recipe_in_the_documentation_is_valid(text: str) -> None:
    """Also where a part of one is shown, without its name."""
    Recipe.model_validate({"name": "part", **tomllib.loads(text)})


@pytest.mark.parametrize("text", [text for text in TABLES if text.startswith(DEVICES)])
def test_every_inventory_in_the_documentation_is_valid(text: str, tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(text)
    assert inventory.read(tmp_path / "devices.toml")


def test_the_keys_of_an_entry_are_documented() -> None:
    section = PAGES["measuring.md"].partition("## Devices")[2].partition("\n## ")[0]
    for kind in DEVICE_KINDS.values():
        for key in kind.entry.model_fields:
            assert key in section


def test_the_files_that_the_readme_lists_are_what_a_run_leaves(finished: Lane) -> None:
    listed = set(re.findall(r"^runs/digits/(\S+)", README, re.MULTILINE))
    left = {
        p.relative_to(finished.out / "tiny").as_posix()
        for p in (finished.out / "tiny").rglob("*")
        if p.is_file()
    }
    assert {name for name in listed if not name.endswith("/")} <= left
    assert len([name for name in left if re.match(r"models/.*\.(tflite|onnx)$", name)]) == 6


def test_constraints_hold_no_address_and_know_both_numpys() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert 'numpy==1.26.4; python_version < "3.12"' in text
    assert re.search(r'^numpy==2\S*; python_version >= "3.12"$', text, re.MULTILINE)
    assert re.search(r'^tflite-runtime==\S+; python_version < "3.12"$', text, re.MULTILINE)


ADDING = PAGES["adding.md"]
ROWS = re.findall(
    r"^\| (an? [a-z ]+) \| `(\S+)` \| `(\S+)` \| `(\S+)`, `(\w+)` \| `(\S+)` \|$", ADDING, re.M
)


def test_the_readme_lists_every_page_and_every_link_leads_to_a_file() -> None:
    listed = set(re.findall(r"^\| \[[\w ]+\]\(docs/(\S+)\)", README, re.MULTILINE))
    assert listed == set(PAGES)
    for folder, text in ((ROOT, README), *((ROOT / "docs", text) for text in PAGES.values())):
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            assert (folder / link).is_file(), link


def test_adding_covers_every_axis() -> None:
    assert len(ROWS) == 9
    assert len(re.findall(r"^\| an? ", ADDING, re.MULTILINE)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_files_and_lines_that_adding_names_exist(row: tuple[str, ...]) -> None:
    _, contract, example, registry, table, toy = row
    for name in (contract, example, registry, toy):
        assert (ROOT / name).is_file(), name
    assert f"def {table}()" in (ROOT / registry).read_text()


def test_every_room_of_the_architecture_exists_and_none_is_left_out() -> None:
    listed = re.search(r"```\npipeline/ .*?```", README, re.DOTALL)
    assert listed is not None
    for package in ("pipeline", "targets"):
        block = re.search(rf"^{package}/.*?(?=^\w|\Z)", listed[0], re.MULTILINE | re.DOTALL)
        assert block is not None
        rooms = set(re.findall(r"^  (\w+)/", block[0], re.MULTILINE))
        assert rooms == {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
