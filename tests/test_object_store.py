"""Results in an object store: whole or not there, fetched by any machine, and nothing lost."""

import json
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.cli.app import exit_code
from pipeline.cluster.contract import Task
from pipeline.cluster.landmarks import marked
from pipeline.engine.manifest import Manifest, StageKey, key_digest
from pipeline.engine.progress import EpochProgress, SilentConsole, SilentEpochs
from pipeline.engine.remote import filesystem, unfinished
from pipeline.engine.remote.address import Address
from pipeline.engine.remote.errors import StoreError, explained
from pipeline.engine.remote.objects import Objects
from pipeline.engine.remote.results import Results
from pipeline.engine.remote.shared_store import SharedStore, of_this_machine
from pipeline.engine.remote.unfinished import Unfinished
from pipeline.engine.runner import Runner
from pipeline.engine.store import WORK, Damaged, Elsewhere, Store, Stored, digests
from pipeline.recipe.load import Override, load
from pipeline.reporting.schema.search import read
from pipeline.search import bench
from targets.errors import InputError
from tests.conftest import Lane
from tests.object_server import Keys, ObjectServer, object_server
from tests.test_cluster import stored
from tests.test_search_command import SPACE, TINY_PLAN

BOTH = ("convert.targets", ["tflite", "onnx"])
STAGES = ["convert", "distill", "logits", "quantize", "teacher"]


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server() as one:
        yield one


@pytest.fixture(autouse=True)
def environment(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, server)


def become(monkeypatch: pytest.MonkeyPatch, server: ObjectServer, keys: Keys | None = None) -> None:
    for name, value in server.environment(keys).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(server: ObjectServer) -> str:
    """A new one."""
    return server.bucket(f"bucket-{secrets.token_hex(8)}")


@pytest.fixture
def there(bucket: str) -> Address:
    return Address(bucket=bucket, prefix="hands/results")


@pytest.fixture(scope="module")
def filled(server: ObjectServer, finished: Lane) -> Address:
    """The results of the finished lane, which machine A has made. Tests read it."""
    address = Address(bucket=server.bucket("filled"), prefix="a b/ü")
    with pytest.MonkeyPatch.context() as monkeypatch:
        become(monkeypatch, server)
        machine(finished, finished.out, address).make()
    return address


def machine(
    lane: Lane, out: Path, address: Address, console: SilentConsole | None = None
) -> Runner:
    """A machine of its own: its folder, and the same object store."""
    return Runner(
        recipe=lane.recipe(BOTH),
        store=SharedStore(out / ".store", address),
        console=console or SilentConsole(),
    )


def copied(filled: Address, server: ObjectServer, bucket: str) -> Address:
    """The objects of `filled` in another bucket, to be spoiled."""
    for key in server.objects(filled.bucket):
        source = {"Bucket": filled.bucket, "Key": key}
        server.client().copy_object(Bucket=bucket, Key=key, CopySource=source)
    return Address(bucket=bucket, prefix=filled.prefix)


def key_of(server: ObjectServer, bucket: str, *parts: str) -> str:
    (key,) = (k for k in server.objects(bucket) if all(part in k for part in parts))
    return key


def test_another_machine_reuses_everything_and_trains_nothing(
    finished: Lane, filled: Address, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", str(finished.recipe_file), "--data", str(finished.data_file)]
    argv += ["--target", "tflite", "--target", "onnx", "--set", "bench.enabled=false"]
    assert exit_code([*argv, "--out", str(tmp_path), "--store", str(filled)]) == 0
    said = capsys.readouterr().err
    assert "epoch" not in said
    assert said.count(f"reused: nothing changed; in {filled}") == len(STAGES)
    assert stored(Store(tmp_path / ".store")) == stored(Store(finished.out / ".store"))
    assert digests(tmp_path / "tiny" / "models") == digests(finished.out / "tiny" / "models")
    assert not list((tmp_path / ".store" / "work").glob("*-*[!k]"))


def test_a_plan_says_what_is_there_and_fetches_nothing(
    finished: Lane, filled: Address, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["plan", str(finished.recipe_file), "--data", str(finished.data_file), "--json"]
    argv += ["--target", "tflite", "--target", "onnx", "--store", str(filled)]
    assert exit_code([*argv, "--out", str(tmp_path)]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert sorted(step["name"] for step in steps if step["reused"]) == STAGES
    assert {step["reason"] for step in steps if step["reused"]} == {f"nothing changed; in {filled}"}
    assert list(tmp_path.iterdir()) == []


def test_the_size_is_that_of_its_results(
    finished: Lane, filled: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["store", "--store", str(filled), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {stage: amount["count"] for stage, amount in found["stages"].items()} == dict.fromkeys(
        STAGES, 1
    )
    folders = (finished.out / ".store").glob("*-*")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    assert found["total"] == {"count": 5, "size_bytes": sum(path.stat().st_size for path in files)}
    assert exit_code(["store", "--store", str(filled)]) == 0
    assert "quantize" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["gc", "verify"])
def test_what_only_a_folder_can_do_is_refused(
    filled: Address, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert exit_code(["store", what, "--store", str(filled)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--store runs/.store" in line


def test_a_result_without_its_manifest_is_not_there(
    finished: Lane, filled: Address, server: ObjectServer, bucket: str, tmp_path: Path
) -> None:
    half = copied(filled, server, bucket)
    server.client().delete_object(
        Bucket=bucket, Key=key_of(server, bucket, "logits-", "manifest.json")
    )
    steps = {step.name: step for step in machine(finished, tmp_path, half).plan()}
    assert (steps["teacher"].reused, steps["logits"].reused) == (True, False)
    assert steps["logits"].reason == "not made yet"


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("artifact.json", b"{}"),
        ("artifact.json", None),
        ("manifest.json", b"\xff"),
    ],
)
def test_a_damaged_result_is_made_again_and_said_and_repaired(
    finished: Lane,
    filled: Address,
    server: ObjectServer,
    bucket: str,
    tmp_path: Path,
    part: str,
    content: bytes | None,
) -> None:
    spoiled = copied(filled, server, bucket)
    place = key_of(server, bucket, "logits-", part)
    if content is None:
        server.client().delete_object(Bucket=bucket, Key=place)
    else:
        server.client().put_object(Bucket=bucket, Key=place, Body=content)
    console = SilentConsole()
    made = machine(finished, tmp_path, spoiled, console).make(last="logits")
    assert f"logits    the stored result is damaged (s3://{bucket}/{place})" in console.lines
    assert [step.reused for step in made.steps] == [True, False]
    again = machine(finished, tmp_path / "c", spoiled).make(last="logits")
    assert [step.reused for step in again.steps] == [True, True]
    assert again.digests == made.digests


MADE_FROM = StageKey(stage="teacher", recipe={}, inputs={}, code={}, libraries={})
KEY = key_digest(MADE_FROM)


def small(root: Path, content: str = "weights") -> Stored:
    """A result in the folder `root`."""
    out, store = root / "out", Store(root)
    (out / "deep").mkdir(parents=True)
    (out / "artifact.json").write_text("{}")
    (out / "deep" / "weights.npz").write_text(content * 10_000)
    manifest = Manifest(files=digests(out), made_from=MADE_FROM, created_utc=content, wall_s=1)
    return store.publish(out, stage="teacher", key=KEY, manifest=manifest)


@pytest.mark.parametrize("name", ["../weights.npz", "/tmp/weights.npz", "deep/../../x", "a//b"])
def test_a_manifest_cannot_write_outside_its_folder(
    there: Address, tmp_path: Path, name: str
) -> None:
    one = small(tmp_path / "a").manifest
    evil = one.model_copy(update={"files": {**one.files, name: "0" * 64}})
    Objects(there).write(f"{one.folder}/manifest.json", evil.written().encode())
    found = SharedStore(tmp_path / "b", there).elsewhere("teacher", KEY)
    assert found == Damaged(what=f"{there}/{one.folder}/manifest.json")


def publish_often(address: Address, root: Path, content: str, times: int) -> None:
    one = small(root / content, content)
    for _ in range(times):
        Results(Objects(address)).publish(one.folder, one.manifest)


@pytest.mark.parametrize("contents", [("same", "same"), ("mine", "other")])
def test_while_two_publish_there_is_always_a_whole_result(
    there: Address, tmp_path: Path, contents: tuple[str, str]
) -> None:
    publish_often(there, tmp_path / "first", contents[0], 1)
    with ThreadPoolExecutor(max_workers=2) as pool:
        writers = [
            pool.submit(publish_often, there, tmp_path / f"{number}", content, 12)
            for number, content in enumerate(contents)
        ]
        store, number = SharedStore(tmp_path / "reader", there), 0
        while not all(one.done() for one in writers):
            found = store.elsewhere("teacher", KEY)
            assert isinstance(found, Elsewhere)
            (folder := tmp_path / f"read{number}").mkdir()
            assert found.download(folder) is None
            number += 1
        for one in writers:
            one.result()
    assert number > 2


ACTIONS = {
    "nothing": (),
    "read": ("s3:GetObject", "s3:ListBucket"),
    "write": ("s3:PutObject", "s3:ListBucket"),
    "keep": ("s3:GetObject", "s3:PutObject", "s3:ListBucket"),
    "hide": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
}


@pytest.mark.parametrize("rights", ACTIONS)
def test_without_rights_nothing_begins(
    finished: Lane,
    server: ObjectServer,
    there: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rights: str,
) -> None:
    become(monkeypatch, server, server.user(f"may-{rights}", *ACTIONS[rights]))
    assert refused(finished, there, tmp_path, capsys).startswith(
        f"Error: --store {there}: no right to that (When "
    )


def refused(lane: Lane, store: Address | str, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a run says that does not begin."""
    argv = ["run", str(lane.recipe_file), "--data", str(lane.data_file), "--out", str(out / "runs")]
    assert exit_code([*argv, "--store", str(store)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not (out / "runs").exists()
    return line


def test_a_key_that_is_wrong_is_no_right(
    finished: Lane,
    server: ObjectServer,
    there: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    become(monkeypatch, server, {**server.owner, "AWS_SECRET_ACCESS_KEY": "guessed"})
    line = refused(finished, there, tmp_path, capsys)
    assert "SIGNATURE_DOES_NOT_MATCH" in line
    assert "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in line
    assert "guessed" not in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Bucket 'mine' not found", "there is no bucket 'mine'"),
        ("AWS Error UNKNOWN (HTTP status 403) during HeadObject", "no right to that"),
        ("AWS Error UNKNOWN (HTTP status 400): ExpiredToken", "Renew AWS_SESSION_TOKEN"),
        ("AWS Error UNKNOWN (HTTP status 301): wrong region", "AWS_REGION"),
    ],
)
def test_other_answers_have_their_remedies(text: str, says: str) -> None:
    assert says in str(explained(Address(bucket="mine"), OSError(text)))


def test_a_bucket_that_is_not_there_is_named(
    finished: Lane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no bucket 'nowhere'" in refused(finished, "s3://nowhere/x", tmp_path, capsys)


def test_no_answer_is_one_paragraph_at_once(
    finished: Lane,
    there: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    begun = time.monotonic()
    assert "no answer (" in refused(finished, there, tmp_path, capsys)
    assert time.monotonic() - begun < 10


def test_a_server_that_never_answers_is_given_up(
    there: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "REQUEST_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        begun = time.monotonic()
        with pytest.raises(StoreError, match="no answer"):
            Objects(there).read("x")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/x", "ftp:// is not offered. A store is a folder, or s3://bucket/prefix"),
        ("s3://", "no name of a bucket"),
        ("s3:///x", "no name of a bucket"),
        ("s3://b_/../x", "no prefix of objects"),
        ("s3://bucket/x?region=eu", "belong into AWS_ENDPOINT_URL"),
        ("s3://key:secret@bucket/x", "belong into AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_url_that_is_none_is_said(
    finished: Lane, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, says: str
) -> None:
    line = refused(finished, url, tmp_path, capsys)
    assert says in line
    assert "secret" not in line


def test_an_endpoint_that_is_none_is_said(
    finished: Lane,
    there: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    assert "Give http(s)://host:port" in refused(finished, there, tmp_path, capsys)


def test_without_pyarrow_the_extra_is_named(
    finished: Lane,
    there: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    line = refused(finished, there, tmp_path, capsys)
    assert "pip install 'edge-distill[object-store]'" in line


@dataclass
class Cutting(SilentConsole):
    """Ends the server when a stage is done."""

    server: ObjectServer | None = None

    def say(self, text: str) -> None:
        super().say(text)
        if "done in" in text and self.server is not None:
            self.server.stop()


def test_a_network_that_fails_loses_nothing_and_the_same_command_goes_on(
    finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (teacher,) = (finished.out / ".store").glob("teacher-*")
    shutil.copytree(teacher, tmp_path / ".store" / teacher.name)
    address = Address(bucket="short-lived")
    with object_server() as server:
        become(monkeypatch, server)
        server.bucket(address.bucket)
        run = machine(finished, tmp_path, address, Cutting(server=server))
        with pytest.raises(StoreError, match=r"no answer .* logits-\w+ is finished and kept in"):
            run.make(last="logits")
    with object_server(server.port) as server:
        become(monkeypatch, server)
        server.bucket(address.bucket)
        again = machine(finished, tmp_path, address).make(last="logits")
        kept = [key for key in server.objects(address.bucket) if "manifest" in key]
    assert [step.reused for step in again.steps] == [True, True]
    assert [key.partition("-")[0] for key in kept] == ["logits", "teacher"]


class Interrupted(Exception):
    """The machine is gone."""


@dataclass
class Watching(SilentConsole):
    """Notes where a training begins, and may stop it behind its second epoch."""

    stop: bool = False
    begun: list[int] = field(default_factory=list)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        self.begun.append(first)
        yield Stopping() if self.stop else SilentEpochs()


class Stopping(SilentEpochs):
    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        if number == 3:
            raise Interrupted


def test_another_machine_goes_on_with_a_training_to_the_same_bytes(
    finished: Lane,
    filled: Address,
    server: ObjectServer,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unfinished, "EVERY_S", 0.0)
    shared = copied(filled, server, bucket)
    for key in server.objects(bucket):
        if "/distill-" in key:
            server.client().delete_object(Bucket=bucket, Key=key)
    with pytest.raises(Interrupted):
        machine(finished, tmp_path / "a", shared, Watching(stop=True)).make(last="distill")
    assert len([key for key in server.objects(bucket) if f"/{WORK}/distill-" in key]) == 3
    console = Watching()
    made = machine(finished, tmp_path / "b", shared, console).make(last="distill")
    assert console.begun == [3]
    assert f"distill   goes on from the checkpoint in {shared}" in console.lines
    assert (
        stored(Store(finished.out / ".store"))[made.steps[-1].folder or ""]
        == (stored(Store(tmp_path / "b" / ".store"))[made.steps[-1].folder or ""])
    )
    assert [key for key in server.objects(bucket) if f"/{WORK}/distill-" in key] == []


def test_a_damaged_checkpoint_is_said_and_not_used(
    server: ObjectServer, there: Address, tmp_path: Path
) -> None:
    here, other = tmp_path / "a" / f"distill-{KEY[:16]}", tmp_path / "b" / f"distill-{KEY[:16]}"
    for folder in (here, other):
        folder.mkdir(parents=True)
    (here / "distill.npz").write_text("epoch 1")
    kept = Unfinished(Objects(there))
    kept.save(here)
    (here / "distill.npz").write_text("epoch 2")
    kept.save(here)
    (weights,) = (k for k in server.objects(there.bucket) if not k.endswith(("/", ".json")))
    server.client().put_object(Bucket=there.bucket, Key=weights, Body=b"epoch 3")
    console = SilentConsole()
    SharedStore(tmp_path, there).going_on(other, console)
    assert console.lines == [f"distill   the checkpoint in {there} is damaged, and not used"]
    assert list(other.iterdir()) == []


def test_a_worker_is_held_to_the_same_object_store(
    server: ObjectServer, there: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with marked(SharedStore(tmp_path, there)) as landmark:
        assert landmark.fault() is None
        become(monkeypatch, server, server.user("reader", *ACTIONS["read"]))
        assert "cannot use the store of this machine: --store" in (landmark.fault() or "")
        with object_server() as another:
            become(monkeypatch, another)
            another.bucket(there.bucket)
            assert "reaches another store than this machine" in (landmark.fault() or "")
        become(monkeypatch, server)
    assert [key for key in server.objects(there.bucket) if not key.endswith("/")] == []


def test_workers_that_share_a_training_need_a_folder(there: Address, tmp_path: Path) -> None:
    from pipeline.cluster.ray_tasks import RayTasks

    recipe = load("digits", [Override("workers", 2, "--set"), Override("threads", 1, "--set")])
    tasks = RayTasks(
        store=SharedStore(tmp_path, there), mailbox=None, cpus=4, largest=2, machines=2
    )
    with pytest.raises(InputError, match="workers = 2: workers train together in a folder"):
        tasks.make([Task(name="seed 1", recipe=recipe)], console=SilentConsole())


@pytest.mark.slow
def test_workers_of_a_cluster_send_what_the_driver_fetches(
    finished: Lane,
    there: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    argv = ["run", str(finished.recipe_file), "--data", str(finished.data_file)]
    argv += ["--target", "tflite", "--target", "onnx", "--set", "bench.enabled=false"]
    argv += ["--out", str(tmp_path / "runs"), "--store", str(there), "--cluster", "local"]
    assert exit_code(argv) == 0
    said = capsys.readouterr().err
    assert "tiny: teacher   sent to the object store" in said
    assert said.count(f"reused: nothing changed; in {there}") == len(STAGES)
    expected = stored(Store(finished.out / ".store"))
    assert stored(Store(tmp_path / "runs" / ".store")) == expected
    assert stored(of_this_machine(there)) == expected


@pytest.mark.slow
def test_a_search_that_loses_its_rights_keeps_its_trials_and_goes_on(
    server: ObjectServer,
    there: Address,
    recipe_file: Path,
    data_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench, "SHORT", TINY_PLAN)
    monkeypatch.setattr(bench, "FULL", TINY_PLAN)
    become(monkeypatch, server, server.user("guest", "s3:*"))
    (recipe := tmp_path / "tiny.toml").write_text(recipe_file.read_text() + SPACE)
    argv = ["search", str(recipe), "--data", str(data_file), "--out", str(tmp_path)]
    argv += ["--store", str(there)]

    def trained() -> int:
        place = tmp_path / "tiny-search" / "search.json"
        rows = read(place).trials if place.exists() else ()
        return sum(row.state == "trained" for row in rows)

    def take_the_rights() -> None:
        while not trained():
            time.sleep(0.05)
        server.take_rights("guest")

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(take_the_rights)
        assert exit_code(argv) == 2
    before, error = trained(), capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"Error: --store {there}: no right to that")
    assert before >= 1
    server.give_rights("guest", "s3:*")
    assert exit_code(argv) == 0
    assert "are done" in capsys.readouterr().err
    assert trained() > before
