"""The arms of a measurement: what is called for each of them, and at which price."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scope.arms import EFFORTS, Arm, arm_price, spec_of_one_call
from scope.errors import ConfigError
from scope.pool import ModelSpec
from scope.prices import unknown_price_error


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
    return [_priced(name, known, source) for name in names]


def _priced(name: str, known: Mapping[str, ModelSpec], source: str) -> PricedArm:
    arm = Arm.parse(name)
    if arm_price(name, known) is None:
        _check_effort(name, arm.model)
        raise unknown_price_error(known, arm.model, source)
    # The answer is chosen by majority: no selector is paid for.
    free_choice = {
        part: known[part].model_copy(update={"resampling": None})
        for part in (name, str(arm.one_sample), arm.model)
        if part in known
    }
    spec, model = arm_price(name, free_choice), known.get(arm.model)
    assert spec is not None  # there was a price with the selector's
    upstream_id = spec.upstream_id or (model and model.upstream_id) or arm.model
    return PricedArm(arm, spec_of_one_call(spec).model_copy(update={"upstream_id": upstream_id}))


def _check_effort(name: str, model: str) -> None:
    """Raise `ConfigError` if what follows ``#`` in an unknown name is no effort."""
    _, marked, effort = model.partition("#")
    if marked:
        raise ConfigError(
            f"arm {name!r}: reasoning effort {effort!r} is unknown; expected one of "
            f"{', '.join(EFFORTS)}, and the number of samples after it, as m#low@3"
        )
