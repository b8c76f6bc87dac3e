"""What a bundle's results no longer say of the machines of the run."""

import pytest
from pydantic import JsonValue

from targets.bundle.scrubbing import Scrubber


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/home/ann/data/set.npz", "set.npz"),
        ("/home/ann/my data/set.npz", "set.npz"),
        ("/home/ann/data/", "data"),
        (r"C:\Users\ann\set.npz", "set.npz"),
        ("--data=/home/ann/set.npz", "--data=set.npz"),
        ("cannot read /home/ann/set.npz: gone", "cannot read set.npz: gone"),
        ("~/data/set.npz", "set.npz"),
    ],
)
def test_the_folders_of_a_path_go(before: str, after: str) -> None:
    assert Scrubber().json({"a": [before]}) == {"a": [after]}


@pytest.mark.parametrize(
    "text",
    ["https://example.org/a/b", "fruit/apple", "1/128", "data/set.npz", "/", "a / b", "and/or"],
)
def test_other_strings_stay(text: str) -> None:
    assert Scrubber().text(text) == text


def test_hosts_and_addresses_become_names_of_devices() -> None:
    scrubber = Scrubber()
    scrubber.add_devices(
        ["pi4", "ssh://ann@10.0.0.3"], {"pi4": "anns-pi", "ssh://ann@10.0.0.3": "x9"}
    )
    document: JsonValue = {
        "devices": {"pi4": {"id": "anns-pi"}, "ssh://ann@10.0.0.3": {"id": "x9"}},
        "failed": "ssh://ann@10.0.0.3: no route",
        "name": "x9",
    }
    assert scrubber.json(document) == {
        "devices": {"pi4": {"id": "pi4"}, "device-1": {"id": "device-1"}},
        "failed": "device-1: no route",
        "name": "x9",
    }


def test_the_address_of_a_server_goes_and_a_word_stays() -> None:
    scrubber = Scrubber()
    scrubber.add_server("http://mlflow.corp:5000")
    scrubber.add_server("True")
    assert scrubber.json({"a": ["http://mlflow.corp:5000/#/x", "True"]}) == {
        "a": ["server/#/x", "True"]
    }
    assert scrubber.html("<td>http://mlflow.<wbr>corp:5000</td>") == "<td>server</td>"


def test_a_page_loses_what_its_documents_lost() -> None:
    scrubber = Scrubber()
    scrubber.add_devices(["pi4"], {"pi4": "anns-pi"})
    scrubber.json({"path": "/home/ann & bob/set.npz", "id": "anns-pi"})
    page = (
        '<p title="/home/ann &amp; bob/set.npz">/home/<wbr>ann &amp; bob/<wbr>set.<wbr>npz on '
        'anns-pi, not anns-pine</p><img class="anns-pi" src="data:x,AA/home/ann">'
    )
    assert scrubber.html(page) == (
        '<p title="set.npz">set.npz on pi4, not anns-pine</p>'
        '<img class="anns-pi" src="data:x,AA/home/ann">'
    )


def test_a_picture_of_a_page_is_not_changed() -> None:
    scrubber = Scrubber()
    scrubber.json("/a/b")
    assert scrubber.html("<img src='data:x,0/a/b'>/a/b") == "<img src='data:x,0/a/b'>b"
