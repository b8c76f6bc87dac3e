"""How the logits of a file become probabilities that can be used: a part of its sidecar."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Confidence(BaseModel):
    """Fitted on the validation split, on the file's own logits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: Annotated[float, Field(gt=0)]
    """The probabilities are softmax(logits / temperature): `targets.evaluation.temperature`."""
    temperature_note: str | None = None
    """Why the temperature is 1 and not fitted; null: it is fitted."""
    precision: Share
    """The wanted share of right ones among accepted predictions."""
    level: Share
    """The probability that a threshold keeps `precision`: `targets.evaluation.thresholds`."""
    threshold: Share | None = None
    """A prediction with a smaller probability is unknown; null: no threshold keeps `precision`."""
    class_thresholds: tuple[Share | None, ...] = ()
    """In the order of the logits: a class's own threshold, in place of the other one; null where
    the class has none. Empty: no class has one."""
    validation_samples: Annotated[int, Field(ge=1)]

    @property
    def decides(self) -> bool:
        """Whether any class has a threshold."""
        return any(limit is not None for limit in (self.threshold, *self.class_thresholds))

    def accepts(self, index: int, probability: float) -> bool | None:
        """Whether a prediction of this class is known; None where there is no threshold at all."""
        limit = self.limit(index)
        if limit is None:
            return False if self.decides else None
        return probability >= limit

    def limit(self, index: int) -> float | None:
        """The threshold of a class; None: it has none."""
        own = self.class_thresholds[index] if self.class_thresholds else None
        return self.threshold if own is None else own
