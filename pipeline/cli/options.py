"""Options that several commands share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pipeline.engine.remote.address import Address
    from pipeline.engine.runner import Runner
    from pipeline.engine.store import Store
    from pipeline.recipe.load import Override, Source

T = TypeVar("T")
PATH = click.Path(path_type=Path)


def store_place(text: str) -> "Path | Address":
    """A folder, or the URL of an object store."""
    from pipeline.engine.remote.address import is_url, parsed

    return parsed(text) if is_url(text) else Path(text)


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
TARGETS = click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="FORMAT",
    help="Format to write: tflite or onnx; may be repeated.",
)
DEVICES = click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="DEVICE",
    help="Device to measure on: local, a name in devices.toml, ssh://[user@]host[:port] or "
    "adb://SERIAL; may be repeated.",
)
CLUSTER = click.option(
    "--cluster",
    metavar="WHERE",
    help="Train as tasks of Ray: local (all CPUs of this machine), auto (RAY_ADDRESS, or the "
    "cluster that runs here) or ray://host:port [default: one after the other, in this process].",
)
_ONE = (
    click.argument("recipe", default="digits"),
    click.option("--seed", type=int, help="Seed of all random numbers."),
)
_SEVERAL = (
    click.argument("recipes", metavar="[RECIPE]...", nargs=-1),
    click.option(
        "--seed",
        "seeds",
        type=int,
        multiple=True,
        help="Seed of all random numbers; if repeated, a run for each, in OUT/<recipe>-seed<N>.",
    ),
    CLUSTER,
)
_SHARED = (
    TARGETS,
    DEVICES,
    click.option(
        "--teacher",
        type=PATH,
        help="Your own teacher: a .keras, .h5, .onnx or .tflite file, a SavedModel folder, or an "
        ".npz file of logits.",
    ),
    click.option("--data", type=PATH, help="File or folder of the data set."),
    click.option(
        "--skip-bad", is_flag=True, help="Leave out pictures and sounds that cannot be read."
    ),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a key of the recipe, as in distill.temperature=2; may be repeated.",
    ),
    click.option(
        "--out",
        type=PATH,
        default=Path("runs"),
        show_default=True,
        help="Folder that holds a results folder per recipe.",
    ),
    click.option(
        "--store",
        type=store_place,
        metavar="PLACE",
        envvar="PIPELINE_STORE",
        help="Where finished stages are kept for reuse: a folder, or s3://bucket/prefix behind "
        "OUT/.store [default: OUT/.store].",
    ),
    JSON,
)
_OF_A_RUN = (
    click.option(
        "--force",
        multiple=True,
        metavar="STAGE",
        help="Run a stage again even if its result is stored; may be repeated.",
    ),
    click.option(
        "--ablation",
        is_flag=True,
        help="Also train the variants that show what each step gains, over several seeds.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """A recipe, and the options of the command line that override it."""

    recipe: str
    targets: tuple[str, ...]
    devices: tuple[str, ...]
    teacher: Path | None
    data: Path | None
    skip_bad: bool
    sets: tuple[str, ...]
    seed: int | None
    out: Path
    store: "Path | Address | None"
    force: tuple[str, ...] = ()
    ablation: bool = False
    suffix: str = ""
    """Of the name of the results folder."""

    def runner(self) -> "Runner":
        """A runner for the recipe, which is validated with the options on top."""
        from pipeline.engine.graph import NAMES
        from pipeline.engine.progress import console
        from pipeline.engine.runner import Runner
        from targets.errors import unknown

        for stage in self.force:
            if stage not in NAMES:
                raise unknown("stage", stage, NAMES, place="--force")
        recipe = self.source().recipe()
        return Runner(
            recipe=recipe.model_copy(update={"name": f"{recipe.name}{self.suffix}"}),
            store=self.stored(),
            console=console(),
            force=self.force,
        )

    def source(self, *more: "Override") -> "Source":
        """The recipe as it is written, with the options and `more` on top."""
        from pipeline.recipe.load import read

        return read(self.recipe, [*self._overrides(), *more])

    def stored(self) -> "Store":
        from pipeline.engine.remote.shared_store import SharedStore
        from pipeline.engine.store import Store

        here = (self.out / ".store").absolute()
        if self.store is None:
            return Store(here)
        if isinstance(self.store, Path):
            return Store(self.store.absolute())
        return SharedStore(here, self.store)

    def _overrides(self) -> "list[Override]":
        from pipeline.recipe.load import Override, parse_override

        given = {
            "--target": ("convert.targets", self.targets or None),
            "--device": ("bench.devices", self.devices or None),
            "--teacher": ("teacher.file", self.teacher),
            "--data": ("dataset.path", self.data),
            "--skip-bad": ("dataset.skip_bad", self.skip_bad or None),
            "--seed": ("seed", self.seed),
            "--ablation": ("ablation.enabled", self.ablation or None),
        }
        return [parse_override(text) for text in self.sets] + [
            Override(key, value, option)
            for option, (key, value) in given.items()
            if value is not None
        ]


def recipe_options(command: Callable[[RecipeOptions, bool], T]) -> Callable[..., T]:
    """Give a command RECIPE, its options and --json, as `(options, as_json)`."""

    @wraps(command)
    def with_options(as_json: bool, **values: Any) -> T:
        return command(RecipeOptions(**values), as_json)

    return _decorated(with_options, (*_ONE, *_SHARED, *_OF_A_RUN))


def search_options(command: Callable[..., T]) -> Callable[..., T]:
    """As `recipe_options`, without the options of a run, and with --cluster; the command's own
    options follow by name."""
    of_recipe = {field.name for field in fields(RecipeOptions)}

    @wraps(command)
    def with_options(as_json: bool, **values: Any) -> T:
        shared = {key: value for key, value in values.items() if key in of_recipe}
        own = {key: value for key, value in values.items() if key not in of_recipe}
        return command(RecipeOptions(**shared), as_json, **own)

    return _decorated(with_options, (*_ONE, CLUSTER, *_SHARED))


def run_options(
    command: Callable[[Sequence[RecipeOptions], str | None, bool], T],
) -> Callable[..., T]:
    """Give a command RECIPE..., --seed for each run, --cluster and --json, as
    `(options, cluster, as_json)`."""

    @wraps(command)
    def with_options(
        recipes: tuple[str, ...],
        seeds: tuple[int, ...],
        cluster: str | None,
        as_json: bool,
        **values: Any,
    ) -> T:
        options = [
            RecipeOptions(recipe=recipe, seed=seed, suffix=_suffix(seed, seeds), **values)
            for recipe in recipes or ("digits",)
            for seed in seeds or (None,)
        ]
        return command(options, cluster, as_json)

    return _decorated(with_options, (*_SEVERAL, *_SHARED, *_OF_A_RUN))


def _suffix(seed: int | None, seeds: Sequence[int]) -> str:
    return f"-seed{seed}" if len(seeds) > 1 else ""


def _decorated(
    command: Callable[..., T], options: Sequence[Callable[[Callable[..., T]], Callable[..., T]]]
) -> Callable[..., T]:
    for option in reversed(options):
        command = option(command)
    return command
