"""The table `[tracking]` of a recipe: where the figures of a run are also shown. Off by default."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from pipeline.recipe.section import Section


def _without_password(value: bool | str) -> bool | str:
    """The recipe is a part of the results, and of what MLflow gets."""
    if isinstance(value, str) and "@" in urlsplit(value).netloc:
        raise ValueError(
            "the address holds a user's name or password, and results hold the recipe; set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment"
        )
    return value


Address = Annotated[str, Field(min_length=1)]


class TrackingConfig(Section):
    tensorboard: bool = False
    """Write loss, validation accuracy and learning rate of each epoch, and the figures of each
    file, to `<out>/.tracking/<name>` for TensorBoard."""
    mlflow: Annotated[bool | Address, AfterValidator(_without_password)] = False
    """The address of an MLflow server; true takes MLFLOW_TRACKING_URI, or MLflow's default. It gets
    the recipe, the figures of each epoch and file, the models and the page."""
    experiment: Address = "edge-distill"
    """Name of the experiment in MLflow."""

    @property
    def enabled(self) -> bool:
        return self.tensorboard or self.mlflow is not False
