"""Arms as columns of predictions: known ones, and several samples of a known one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from scope.arms.arm import Arm
from scope.arms.best_of_n import resampled_probability
from scope.arrays import FloatArray
from scope.errors import ConfigError, UnknownModelError
from scope.pool import ModelSpec, PriceTier, Resampling, cost_usd
from scope.predictions import Estimates, IntervalEstimate
from scope.prices import PriceFile, Prices, unknown_price_error


def sampled_spec(one: ModelSpec, n_samples: int) -> ModelSpec:
    """Return the spec of `n_samples` samples of an arm; its tokens are those of all together.

    The prompt costs ``price_in * g(n)`` for all samples, ``g(n) = 1 + (n - 1) * repeated_in /
    price_in``, and without a price of repeated prompts ``g(n) = n``. A selector that reads the
    samples adds its price to every token.

    Parameters
    ----------
    one : ModelSpec
        One sample of the arm.
    n_samples : int
        At least 2.
    """
    selector = one.resampling.selector_usd_per_mtok if one.resampling else 0.0
    prices = partial(_sampled_prices, one.usd_per_mtok_repeated_in, selector, n_samples)
    tiers = [
        tier.model_copy(
            update={**prices(tier), "above_prompt_tokens": n_samples * tier.above_prompt_tokens}
        )
        for tier in one.tiers
    ]
    return one.model_copy(
        update={
            "id": str(replace(Arm.parse(one.id), n_samples=n_samples)),
            **prices(one),
            "usd_per_mtok_repeated_in": None,
            "tiers": tuple(tiers),
        }
    )


def _sampled_prices(
    repeated: float | None, selector: float, n_samples: int, one: ModelSpec | PriceTier
) -> dict[str, float | None]:
    """Return the prices of a token of several samples, the selector's included."""
    paid_in = one.usd_per_mtok_in
    again = paid_in if repeated is None else repeated
    special = ("usd_per_mtok_cached_in", "usd_per_mtok_cache_write", "usd_per_mtok_reasoning")
    known = {name: usd for name in special if (usd := getattr(one, name)) is not None}
    return {
        "usd_per_mtok_in": (paid_in + (n_samples - 1) * again) / n_samples + selector,
        "usd_per_mtok_out": one.usd_per_mtok_out + selector,
        **{name: usd + selector for name, usd in known.items()},
    }


def spec_of_one_call(spec: ModelSpec) -> ModelSpec:
    """Return the prices of one call of an arm: its tiers are limits of the prompt of one call.

    The limits of a spec are those of all its samples together, as its tokens are.
    """
    n_samples = Arm.parse(spec.id).n_samples
    if n_samples == 1 or not spec.tiers:
        return spec
    tiers = tuple(
        tier.model_copy(update={"above_prompt_tokens": tier.above_prompt_tokens // n_samples})
        for tier in spec.tiers
    )
    return spec.model_copy(update={"tiers": tiers})


def arm_spec(name: str, known: Mapping[str, ModelSpec]) -> ModelSpec | None:
    """Return the spec of a known arm, or of several samples of one; None if it is neither."""
    if name in known:
        return known[name]
    arm = Arm.parse(name)
    one = known.get(str(arm.one_sample))
    return None if one is None else sampled_spec(one, arm.n_samples)


def arm_price(name: str, prices: Prices) -> ModelSpec | None:
    """Return the spec of an arm at the price of the longest part of its name that has one.

    ``m#low@3`` is looked up as itself, as ``m#low`` and as ``m``; None if none of them is there.

    Raises
    ------
    ConfigError
        If the first of them that a price file has was left out of it.
    """
    arm = Arm.parse(name)
    if isinstance(prices, PriceFile):
        parts = (name, str(arm.one_sample), arm.model)
        prices.check(next((part for part in parts if part in prices or part in prices.odd), name))
    one, model = str(arm.one_sample), prices.get(arm.model)
    if model is not None and one not in prices:
        prices = {**prices, one: model.model_copy(update={"id": one})}
    return arm_spec(name, prices)


def select_arms(prices: Prices, names: Iterable[str], source: str) -> tuple[ModelSpec, ...]:
    """Return the specs of arms by `arm_price`, in their order.

    Raises
    ------
    UnknownPriceError
        For the first arm without a price; `source` names the price file in the message.
    """
    specs = []
    for name in names:
        spec = arm_price(name, prices)
        if spec is None:
            raise unknown_price_error(prices, name, source)
        specs.append(spec)
    return tuple(specs)


def reprice(models: Sequence[ModelSpec], prices: Prices, source: str) -> tuple[ModelSpec, ...]:
    """Return arms at the prices of a file, with what is known of their samples.

    Raises
    ------
    UnknownPriceError
        For the first arm without a price, as `arm_price` finds it.
    """
    specs = select_arms(prices, (model.id for model in models), source)
    return tuple(
        spec.model_copy(update={"resampling": spec.resampling or model.resampling})
        for spec, model in zip(specs, models, strict=True)
    )


@dataclass(frozen=True, slots=True)
class ArmColumns:
    """Where the columns of a pool come from.

    Attributes
    ----------
    models : tuple of ModelSpec
        The arms of the pool, in its order.
    columns : list of int
        For each of them the index of a known column: its own, or that of one sample of it.
    n_samples : tuple of int
        Samples of that column; 1 where the column is the arm itself.
    """

    models: tuple[ModelSpec, ...]
    columns: list[int]
    n_samples: tuple[int, ...]

    @classmethod
    def resolve(cls, wanted: Sequence[str], known: Sequence[ModelSpec], where: str) -> "ArmColumns":
        """Find the columns of `wanted` among `known`; an arm that is itself known is taken as is.

        Parameters
        ----------
        wanted : sequence of str
        known : sequence of ModelSpec
        where : str
            Names `known` in messages.

        Raises
        ------
        UnknownModelError
            For an arm of which not even one sample is known.
        ConfigError
            For several samples of a model whose samples were not fitted.
        """
        index_of = {model.id: index for index, model in enumerate(known)}
        models, columns, n_samples = [], [], []
        for name in wanted:
            column, n = index_of.get(name), 1
            if column is None:
                arm = Arm.parse(name)
                column, n = index_of.get(str(arm.one_sample)), arm.n_samples
            if column is None:
                raise UnknownModelError(name, tuple(index_of), where)
            spec = known[column]
            if n > 1 and spec.resampling is None:
                raise ConfigError(
                    f"arm {name!r}: {where} cannot tell what {n} samples of {spec.id} are worth; "
                    "fit the bank to graded samples with `scope bank fit-samples --samples FILE`, "
                    "or assume a cautious prior with `scope bank fit-samples --assume`"
                )
            models.append(spec if n == 1 else sampled_spec(spec, n))
            columns.append(column)
            n_samples.append(n)
        return cls(tuple(models), columns, tuple(n_samples))

    @property
    def is_derived(self) -> bool:
        """Whether any arm is derived from one sample."""
        return max(self.n_samples, default=1) > 1

    @property
    def derived(self) -> tuple[int, ...]:
        """Positions in the pool of the arms that are derived from one sample."""
        return tuple(m for m, n in enumerate(self.n_samples) if n > 1)

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Names of the arms, in the order of the pool."""
        return tuple(model.id for model in self.models)

    def p_correct(self, p_qm: FloatArray) -> FloatArray:
        """Return the probability that the answer of each arm is correct.

        Parameters
        ----------
        p_qm : ndarray of shape (n_questions, n_known)
            Of the known columns.
        """
        chosen_qm = p_qm[:, self.columns]
        for m in self.derived:
            resampling = self.models[m].resampling
            assert resampling is not None  # checked by `resolve`
            chosen_qm[:, m] = resampled_probability(chosen_qm[:, m], self.n_samples[m], resampling)
        return chosen_qm

    def tokens(self, tokens_qm: FloatArray) -> FloatArray:
        """Return the tokens of all samples of each arm together."""
        all_qm: FloatArray = tokens_qm[:, self.columns] * np.array(self.n_samples)
        return all_qm

    def estimates(self, estimates: Estimates) -> Estimates:
        """Return the estimates of the pool, from those of the known columns.

        The ends of the intervals of a derived arm are those of one sample, put through the same
        formulas: samples of one question are long or short together.
        """
        selected = estimates.select_models(self.columns)
        if not self.is_derived:
            return selected
        prompt_qm = self.tokens(estimates.prompt_tokens_qm)
        tokens = IntervalEstimate(*map(self.tokens, estimates.completion_tokens))
        derived_m = np.array(self.n_samples) > 1
        costs = (
            np.where(derived_m, cost_usd(self.models, prompt_qm, tokens_qm), known_qm)
            for tokens_qm, known_qm in zip(tokens, selected.cost_usd, strict=True)
        )
        return replace(
            selected,
            p_correct=IntervalEstimate(*map(self.p_correct, estimates.p_correct)),
            prompt_tokens_qm=prompt_qm,
            completion_tokens=tokens,
            cost_usd=IntervalEstimate(*costs),
        )


def resampled_arms(models: Sequence[ModelSpec]) -> Iterator[tuple[str, Resampling]]:
    """Yield name and `Resampling` of each arm that is several samples whose worth is known."""
    for model in models:
        if model.resampling is not None and Arm.parse(model.id).n_samples > 1:
            yield model.id, model.resampling


def assumed_arms(models: Sequence[ModelSpec]) -> tuple[str, ...]:
    """Return the names of the arms whose worth of several samples is assumed, not fitted."""
    return tuple(name for name, known in resampled_arms(models) if known.source == "assumed")
