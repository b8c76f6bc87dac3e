"""What int8 costs on the validation split, which layers cost it, and what can be done."""

from pipeline.engine.artifacts import LayerGain, Sensitivity
from pipeline.recipe.schema import Recipe
from pipeline.reporting.formatting import count, percent, points, span
from targets.formats.input_kinds import Words


def note(found: Sensitivity, recipe: Recipe) -> str:
    """A paragraph for the console and the page."""
    return " ".join([_cost(found, recipe.words), _layers(found), _remedy(found, recipe)])


def _cost(found: Sensitivity, words: Words) -> str:
    change = found.int8_top1 - found.float_top1
    return (
        f"int8 costs {points(-change).lstrip('+')} points on the {count(found.images)} validation "
        f"{words.many}: {percent(found.int8_top1)} % where the float student has "
        f"{percent(found.float_top1)} % (95 % interval of the change "
        f"{span(found.interval, points)})."
    )


def _layers(found: Sensitivity) -> str:
    together = f"all layers together {points(found.unquantized_top1 - found.int8_top1)}"
    if not found.layers:
        return f"No layer by itself gains anything in float; {together}."
    return (
        f"In float by itself, on {count(found.measured_on)} of them, gain: "
        f"{', '.join(map(_layer, found.layers))}; {together}."
    )


def _layer(row: LayerGain) -> str:
    return f"{row.layer} ({row.kind}, {row.tensors}) {points(row.gain)}"


def _remedy(found: Sensitivity, recipe: Recipe) -> str:
    """Where even float would not bring most of it back, the fine-tuning itself lost it."""
    cfg = recipe.quantize
    if found.unquantized_top1 - found.int8_top1 < (found.float_top1 - found.int8_top1) / 2:
        return (
            "The fine-tuning itself costs most of it: lower quantize.learning_rate (now "
            f"{cfg.learning_rate:g}), or raise quantize.epochs (now {cfg.epochs})."
        )
    width = "width_multiplier" in type(recipe.distill.settings).model_fields
    wider = "distill.width_multiplier" if width else "the width of the student"
    return f"Raise quantize.epochs (now {cfg.epochs}), or {wider}."
