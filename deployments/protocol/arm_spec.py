"""Prices of arms that are not in the bank."""

from collections.abc import Mapping

from scope.arms import Arm
from scope.pool import ModelSpec


def arm_spec(name: str, known: Mapping[str, ModelSpec]) -> ModelSpec | None:
    """Return the spec of a known arm, or of several samples of one; None if it is neither."""
    if name in known:
        return known[name]
    arm = Arm.parse(name)
    one = known.get(str(arm.one_sample))
    return None if one is None else one.model_copy(update={"id": name})
