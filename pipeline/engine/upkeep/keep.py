"""The stored results that a recipe needs, whether or not it was run."""

from pipeline.engine.progress import Console
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.load import load


def needed_by(recipe: str, store: Store, console: Console) -> set[str]:
    """Names of the folders of `recipe`, a built-in name or a file; of unfinished work too.

    Raises `InputError` where its data set is not there: the keys are made from its contents.
    """
    runner = Runner(recipe=load(recipe, []), store=store, console=console)
    runners = [runner, *(variant for _, _, variant in runner.variants())]
    return {step.folder for one in runners for step in one.plan() if step.folder is not None}
