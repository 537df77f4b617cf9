"""The arms of a measurement: what is called for each of them, and at which price."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version

from scope.arms import EFFORTS, Arm, arm_price, spec_of_one_call
from scope.errors import ConfigError, ScopeWarning
from scope.pool import ModelSpec
from scope.prices import PriceFile, catalogue_price, fill_in, unknown_price_error


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
    names: Iterable[str], known: Mapping[str, ModelSpec], source: str, base_url: str | None = None
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
    base_url : str, optional
        Of the endpoint, whose list prices complete the known ones, see `fill_in`.

    Raises
    ------
    ConfigError
        For one sample (``@1``) or an unknown effort.
    UnknownPriceError
        If the model of an arm has no price.
    """
    arms = [_priced(name, known, source) for name in names]
    if base_url is None:
        return arms
    return [replace(arm, spec=_completed(arm.spec, base_url)) for arm in arms]


def _completed(spec: ModelSpec, base_url: str) -> ModelSpec:
    return fill_in(spec, catalogue_price(spec.upstream_id or spec.id, base_url))


def with_list_prices(names: Iterable[str], known: PriceFile, base_url: str) -> PriceFile:
    """Return prices with the list prices, at an endpoint, of the models that have none.

    Warns
    -----
    ScopeWarning
        About each of these models.

    Raises
    ------
    ConfigError
        If an arm is asked for whose entry was left out of the price file.
    """
    missing = [Arm.parse(name).model for name in names if arm_price(name, known) is None]
    specs = dict(known)
    for model in dict.fromkeys(missing):
        if listed := catalogue_price(model, base_url):
            specs[model] = listed
            warnings.warn(_list_price_sentence(listed), ScopeWarning, stacklevel=2)
    return PriceFile(specs, known.odd)


def _list_price_sentence(spec: ModelSpec) -> str:
    usd_in, usd_out = spec.usd_per_mtok_in, spec.usd_per_mtok_out
    return (
        f"model {spec.id!r} is billed at its list price, ${usd_in:g} / ${usd_out:g} for a million "
        f"tokens (genai-prices {version('genai-prices')}); pass --prices for another"
    )


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
