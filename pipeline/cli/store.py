"""`pipeline store`: the size of a store, what may go, and whether it is whole."""

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from pipeline.cli.options import JSON, PATH, store_place
from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.engine.remote.address import Address
    from pipeline.engine.upkeep.cleaning import Removal
    from pipeline.engine.upkeep.verification import Fault

D = TypeVar("D")
F = TypeVar("F", bound=Callable[..., object])
GIVEN = click.core.ParameterSource.COMMANDLINE
UNITS_S = {"d": 86400, "h": 3600, "m": 60}


def _age(context: click.Context, param: click.Parameter, value: str) -> int:
    """Seconds, from `30d`, `12h` or `5m`."""
    found = re.fullmatch(r"([0-9]{1,5})([dhm])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no age in days, hours or minutes: 30d, 12h, 5m.")
    return int(found[1]) * UNITS_S[found[2]]


def place(command: F) -> F:
    """Give a command --store, --out and --json."""
    store = click.option(
        "--store",
        type=store_place,
        metavar="PLACE",
        envvar="PIPELINE_STORE",
        help="Where finished stages are kept: a folder, or s3://bucket/prefix for its size "
        "[default: OUT/.store].",
    )
    out = click.option(
        "--out",
        type=PATH,
        default=Path("runs"),
        show_default=True,
        help="Folder that holds a results folder per recipe.",
    )
    return store(out(JSON(command)))


@click.group(invoke_without_command=True)
@click.pass_context
@place
def store(context: click.Context, store: "Path | Address | None", out: Path, as_json: bool) -> None:
    """Look after the stored results of stages; without a command, show their size.

    \b
    Example:
      pipeline store
    """
    command = context.invoked_subcommand
    if command is None:
        _size(store, out, as_json=as_json)
    elif any(context.get_parameter_source(name) is GIVEN for name in context.params):
        raise click.UsageError(f"give the options behind the command: pipeline store {command} …")


@store.command()
@place
def size(store: "Path | Address | None", out: Path, as_json: bool) -> None:
    """Show how much is stored, by stage and by run.

    \b
    Example:
      pipeline store size --out runs
    """
    _size(store, out, as_json=as_json)


@store.command()
@place
@click.option("--yes", is_flag=True, help="Remove what is listed; without it, nothing is removed.")
@click.option("--dry-run", is_flag=True, help="List it and remove nothing, which is the default.")
@click.option(
    "--keep",
    multiple=True,
    metavar="RECIPE",
    help="Keep what this recipe needs, too; may be repeated.",
)
@click.option(
    "--older-than",
    callback=_age,
    default="30d",
    show_default=True,
    help="Age at which unfinished work, and what only an interrupted run refers to, may go.",
)
@click.option("--cache", is_flag=True, help="Include decoded pictures and sounds that are older.")
def gc(store: "Path | Address | None", out: Path, as_json: bool, **options: object) -> None:
    """List what no results folder refers to, and remove it with --yes.

    Referred to is what the results folders in OUT were made from, and those of every other run that
    used the store. Interrupted runs keep what they have made for 30 days. Nothing is removed while
    a run uses the store.

    \b
    Example:
      pipeline store gc --older-than 7d --yes
    """
    why = (
        "nothing is removed there, because which results other machines refer to is not known "
        "here. Let a rule of the bucket remove what is old: a run makes again what is gone"
    )
    _gc(_root(store, out, not_there=why), out, as_json=as_json, **options)  # type: ignore[arg-type] # click checks


@store.command()
@place
@click.option("--remove", is_flag=True, help="Remove what is damaged; a run makes it again.")
def verify(store: "Path | Address | None", out: Path, as_json: bool, remove: bool) -> int:
    """Compare every stored file with its digest; the exit code is 1 if one is damaged.

    \b
    Example:
      pipeline store verify --remove
    """
    why = "every run verifies what it fetches, and makes again what is damaged there"
    return _verify(_root(store, out, not_there=why), remove=remove, as_json=as_json)


def _root(store: "Path | Address | None", out: Path, *, not_there: str = "") -> Path:
    """The folder. `not_there` is why a URL is refused."""
    from pipeline.engine.upkeep.contents import require_store

    here = out / ".store"
    if store is not None and not isinstance(store, Path):
        raise InputError(f"--store {store}: {not_there}. --store {here} is this machine's folder.")
    root = (store or here).absolute()
    require_store(root)
    return root


def _size(store: "Path | Address | None", out: Path, *, as_json: bool) -> None:
    from pipeline.engine.remote.contents import contents
    from pipeline.engine.remote.objects import Objects
    from pipeline.reporting.tables.store import print_contents, print_size, sizes

    if store is None or isinstance(store, Path):
        _print(sizes(_root(store, out), out), print_size, as_json=as_json)
    else:
        _print(contents(Objects(store)), print_contents, as_json=as_json)


def _print(document: D, show: Callable[[D], None], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        show(document)


def _gc(
    root: Path,
    out: Path,
    *,
    yes: bool,
    dry_run: bool,
    keep: Sequence[str],
    older_than: int,
    cache: bool,
    as_json: bool,
) -> None:
    from pipeline.engine.progress import console
    from pipeline.engine.store import Store
    from pipeline.engine.upkeep import cleaning, decoded
    from pipeline.engine.upkeep.keep import needed_by

    if yes and dry_run:
        raise click.UsageError("--yes and --dry-run exclude one another.")
    since = time.time() - older_than
    kept = {name for recipe in keep for name in needed_by(recipe, Store(root), console())}

    def found() -> "list[Removal]":
        return cleaning.removals(root, out, keep=kept, since=since)

    unread = decoded.removals(since=since) if cache else []
    if yes:
        with cleaning.alone(root):
            removed = found()
            cleaning.clean(root, removed, since=since)
        unread = decoded.clean(unread)
    else:
        removed = found()
    _show_removals([*removed, *unread], root, done=yes, as_json=as_json)


def _show_removals(removed: "Sequence[Removal]", root: Path, *, done: bool, as_json: bool) -> None:
    from pipeline.reporting.tables.store import print_removals

    if not as_json:
        print_removals(removed, done=done)
        return
    entries = [
        {
            "path": str(one.entry.path),
            "kind": one.entry.kind,
            "stage": one.entry.stage or None,
            "size_bytes": one.entry.size_bytes,
            "reason": one.reason,
        }
        for one in removed
    ]
    document = {"schema": "store-gc/1", "store": str(root), "removed": done, "entries": entries}
    click.echo(json.dumps(document, indent=1))


def _verify(root: Path, *, remove: bool, as_json: bool) -> int:
    from pipeline.engine.upkeep import cleaning, verification
    from pipeline.engine.upkeep.contents import results

    count = len(results(root))
    found = list(verification.faults(root))
    if found and remove:
        with cleaning.alone(root):
            found = list(verification.faults(root))
            verification.repair(found)
    _show_faults(found, root, count, removed=remove, as_json=as_json)
    return int(bool(found) and not remove)


def _show_faults(
    found: "Sequence[Fault]", root: Path, count: int, *, removed: bool, as_json: bool
) -> None:
    from pipeline.reporting.tables.store import fault_lines

    if as_json:
        faults = [
            {"folder": str(one.folder), "file": one.file, "extra": one.extra} for one in found
        ]
        document = {
            "schema": "store-verify/1", "store": str(root), "results": count,
            "removed": removed, "faults": faults,
        }  # fmt: skip
        click.echo(json.dumps(document, indent=1))
        return
    for line in fault_lines(found, count, removed=removed):
        click.echo(line)
