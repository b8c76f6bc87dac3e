"""Losses. To add one: its module (see `contract`) and a line in a dictionary here."""

from pipeline.losses.contract import DistillationLoss, FeatureLoss
from targets.registry import Registry


def _losses() -> dict[str, DistillationLoss]:
    from pipeline.losses import dist, dkd, function_matching, kd, logit_standardization, mse

    return {
        "kd": kd,
        "dkd": dkd,
        "dist": dist,
        "logit_standardization": logit_standardization,
        "mse": mse,
        "function_matching": function_matching,
    }


def _feature_losses() -> dict[str, FeatureLoss]:
    from pipeline.losses.features import attention, cosine, fitnet, rkd

    return {"fitnet": fitnet, "attention": attention, "rkd": rkd, "cosine": cosine}


LOSSES = Registry("losses", noun="loss", contract=DistillationLoss, built_in=_losses)
FEATURE_LOSSES = Registry(
    "feature_losses", noun="feature loss", contract=FeatureLoss, built_in=_feature_losses
)
