"""The arms of a measurement: what is called for each of them, and at which price."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scope.arms import EFFORTS, Arm, arm_spec
from scope.errors import ConfigError, UnknownPriceError
from scope.pool import ModelSpec


@dataclass(frozen=True, slots=True)
class PricedArm:
    """An arm as it is called and billed.

    Attributes
    ----------
    arm : Arm
    spec : ModelSpec
        Its id is the name of the arm, its `upstream_id` that of the model, and its prices are
        for the tokens of all samples together.
    """

    arm: Arm
    spec: ModelSpec

    @property
    def sample_numbers(self) -> tuple[int | None, ...]:
        """Number of each sample, from 0; None alone if only one is drawn."""
        n = self.arm.n_samples
        return tuple(range(n)) if n > 1 else (None,)


def priced_arms(
    names: Iterable[str], known: Mapping[str, ModelSpec], source: str
) -> list[PricedArm]:
    """Return the arms with these names.

    Prices and upstream are those of the longest part of the name that is known: ``m#low@3`` is
    looked up as itself, as ``m#low`` and as ``m``.

    Parameters
    ----------
    names : iterable of str
    known : mapping of str to ModelSpec
        Models and arms with a price.
    source : str
        Where they come from, for messages.

    Raises
    ------
    ConfigError
        For one sample (``@1``) or an unknown effort.
    UnknownPriceError
        If the model of an arm has no price.
    """
    # The answer is chosen by majority: no selector is paid for.
    free_choice = {
        name: spec.model_copy(update={"resampling": None}) for name, spec in known.items()
    }
    return [_priced(name, free_choice, source) for name in names]


def _priced(name: str, known: Mapping[str, ModelSpec], source: str) -> PricedArm:
    arm = Arm.parse(name)
    model, one = known.get(arm.model), str(arm.one_sample)
    if model is not None and one not in known:
        known = {**known, one: model.model_copy(update={"id": one})}
    spec = arm_spec(name, known)
    if spec is None:
        _check_effort(name, arm.model)
        raise UnknownPriceError(arm.model, source)
    upstream_id = spec.upstream_id or (model and model.upstream_id) or arm.model
    return PricedArm(arm, spec.model_copy(update={"upstream_id": upstream_id}))


def _check_effort(name: str, model: str) -> None:
    """Raise `ConfigError` if what follows ``#`` in an unknown name is no effort."""
    _, marked, effort = model.partition("#")
    if marked:
        raise ConfigError(
            f"arm {name!r}: reasoning effort {effort!r} is unknown; expected one of "
            f"{', '.join(EFFORTS)}, and the number of samples after it, as m#low@3"
        )
