"""An anchor bank: questions with known outcomes of every model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank.forecast_choice import ForecastChoice
from scope.bank.lineage import LineageStep
from scope.bank.reference_population import ReferencePopulation
from scope.bank.routing_gain import RoutingGain, SecondGain
from scope.columns import CATEGORY
from scope.config import AnchorConfig, StrictModel
from scope.embedding import EmbedderSpec, is_none, norms
from scope.errors import BankError, ConfigError, EmbedderMismatchError, join_names
from scope.forecast import CategoryLabels, Forecaster
from scope.fusion import CalibratedReasoner
from scope.outcomes import Outcomes
from scope.policy import BillRatio
from scope.pool import ModelSpec, indices_of
from scope.reasoner import ReasonerSpec


@dataclass(frozen=True, slots=True)
class SecondEmbeddings:
    """Vectors of the anchors by a second encoder.

    Attributes
    ----------
    embedder : EmbedderSpec
    vector_ay : ndarray of shape (n_anchors, n_second_dimensions)
        Unit vectors.
    """

    embedder: EmbedderSpec
    vector_ay: Float32Array


class BankManifest(StrictModel):
    """Description of a stored bank, with the hashes of its files."""

    schema_version: Literal[1] = 1
    n_questions: int = Field(ge=1)
    n_models: int = Field(ge=1)
    n_outcomes: int = Field(ge=0)
    embedder: EmbedderSpec
    has_prompts: bool
    created_at: str
    sources: tuple[str, ...]
    files: dict[str, str]
    """SHA-256 of every file of the bank except the manifest."""
    forecast_choice: ForecastChoice | None = None
    """None: the bank's forecaster if it has one, else the kNN estimate."""
    routing_gain: RoutingGain | None = None
    """None in a bank that was not fitted, or has too few anchors with all outcomes."""
    bill_ratio: BillRatio | None = Field(default=None, exclude_if=is_none)
    """That of the reference population; None as `routing_gain`, and with a reasoner."""
    fact: str = CATEGORY
    """What the categories of the questions are."""
    second_embedder: EmbedderSpec | None = Field(default=None, exclude_if=is_none)
    second_gain: SecondGain | None = Field(default=None, exclude_if=is_none)
    """What the second encoder gains; None in a bank that was not fitted, or has none."""
    lineage: tuple[LineageStep, ...] = ()
    """The commands that made the bank, oldest first."""

    @property
    def uses_second_encoder(self) -> bool:
        """Whether the bank was fitted with both of its encoders."""
        return self.second_gain is not None and self.second_gain.used

    @property
    def findings(self) -> tuple[str, ...]:
        """What the fit found out, a sentence each; what is not known is left out."""
        found = (self.routing_gain, self.bill_ratio, self.second_gain)
        return tuple(str(one) for one in found if one is not None)


@dataclass(frozen=True, slots=True)
class Bank:
    """Anchors with their embeddings, features and outcomes, all in one order.

    Attributes
    ----------
    ids, categories : tuple of str
    prompts : tuple of str, or None
        None in a bank built without texts.
    gold_answers : tuple of str or None
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
        Unit vectors.
    features_af : ndarray of shape (n_anchors, n_features)
        From `scope.embedding.text_features.text_features`.
    models : tuple of ModelSpec
        In the order of the columns of `outcomes`.
    outcomes : Outcomes
    embedder : EmbedderSpec
    reference : ReferencePopulation or None
        Population of the alpha scale; None if the bank was not fitted.
    forecaster : Forecaster or None
        Fitted to the outcomes; None if the bank was not fitted.
    choice : ForecastChoice or None
        Which forecast of correctness is used; None: the forecaster if there is one.
    routing_gain : RoutingGain or None
        Whether routing pays, as the fit has found; None where that is not known.
    second : SecondEmbeddings or None
        Vectors by a second encoder; None where the bank has one encoder.
    joint_forecaster : Forecaster or None
        Fitted with both encoders, of the same anchors as `forecaster`, which predicts where the
        second vector of a question is not known; None where the second encoder is not used.
    second_gain : SecondGain or None
        What the second encoder gains, as the fit has found; None where that is not known.
    reasoner : CalibratedReasoner or None
        The reasoner that the bank was fitted for, with the weights of its answers; None if
        there is none.
    fact : str
        What `categories` are: ``category``, or another fact that callers may know of a question, as
        ``tenant`` or ``language``.
    version : str
        Digest of the manifest; empty for a bank that was never saved.
    """

    ids: tuple[str, ...]
    categories: tuple[str, ...]
    prompts: tuple[str, ...] | None
    gold_answers: tuple[str | None, ...]
    embedding_ad: Float32Array
    features_af: FloatArray
    models: tuple[ModelSpec, ...]
    outcomes: Outcomes
    embedder: EmbedderSpec
    reference: ReferencePopulation | None = None
    forecaster: Forecaster | None = None
    choice: ForecastChoice | None = None
    routing_gain: RoutingGain | None = None
    second: SecondEmbeddings | None = None
    joint_forecaster: Forecaster | None = None
    second_gain: SecondGain | None = None
    reasoner: CalibratedReasoner | None = None
    fact: str = CATEGORY
    version: str = ""

    def __post_init__(self) -> None:
        check_vectors(self.embedding_ad, self.embedder, self.ids)
        if self.second is not None:
            check_vectors(self.second.vector_ay, self.second.embedder, self.ids)

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Ids of the models, in column order."""
        return tuple(model.id for model in self.models)

    @property
    def anchor_config(self) -> AnchorConfig:
        """Settings of the anchor predictor: of the reference population, else the defaults."""
        return self.reference.config if self.reference else AnchorConfig()

    @property
    def fact_values(self) -> Mapping[str, int]:
        """Indices of the values of `fact` that the forecaster has learned means of.

        They have enough anchors; another value says nothing, as if it were not known.
        """
        if self.forecaster is None:
            return {}
        fitted = [self.categories[anchor] for anchor in self.forecaster.anchor_index_n]
        index_of = CategoryLabels.encode(fitted).index_of
        return {value: index for value, index in index_of.items() if value}

    def learned_facts(self, facts: tuple[str, ...], source: str) -> tuple[str, ...]:
        """Return what is known of questions, if the bank has learned any of it.

        Raises
        ------
        ConfigError
            If it has not: what is known would change nothing.
        """
        learned = self.fact_values
        if learned.keys().isdisjoint(facts):
            known = join_names(sorted(learned)) if learned else "none"
            raise ConfigError(
                f"{source} has no question whose {self.fact} the bank has learned from 20 anchors "
                f"or more ({known}), so that nothing is known; drop --known-fact"
            )
        return facts

    def select_models(self, wanted: tuple[str, ...]) -> "Bank":
        """Return the bank of a pool: its models only, in its order.

        Raises
        ------
        UnknownModelError
            If the bank has no outcomes of one of them.
        """
        columns = indices_of(wanted, self.model_ids, "the bank")
        return replace(
            self,
            models=tuple(self.models[column] for column in columns),
            outcomes=self.outcomes.select_models(columns),
            reference=self.reference and self.reference.select_models(columns),
            forecaster=self.forecaster and self.forecaster.select_models(columns),
            joint_forecaster=self.joint_forecaster and self.joint_forecaster.select_models(columns),
            reasoner=self.reasoner and self.reasoner.select_models(columns),
        )

    def select_anchors(self, wanted: IntArray) -> "Bank":
        """Return the bank of some anchors, in the order of `wanted`; nothing of it is fitted."""
        rows = wanted.tolist()
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            categories=tuple(self.categories[row] for row in rows),
            prompts=self.prompts and tuple(self.prompts[row] for row in rows),
            gold_answers=tuple(self.gold_answers[row] for row in rows),
            embedding_ad=self.embedding_ad[wanted],
            features_af=self.features_af[wanted],
            outcomes=self.outcomes.select_questions(wanted),
            reference=None,
            forecaster=None,
            choice=None,
            routing_gain=None,
            second=self.second and replace(self.second, vector_ay=self.second.vector_ay[wanted]),
            joint_forecaster=None,
            second_gain=None,
            reasoner=None,
            version="",
        )

    def second_vectors(self, wanted: IntArray) -> Float32Array | None:
        """Return the vectors of some anchors by the second encoder; None without one."""
        return None if self.second is None else self.second.vector_ay[wanted]

    def require_prompts(self) -> tuple[str, ...]:
        """Return the question texts.

        Raises
        ------
        ConfigError
            If the bank was built without them.
        """
        if self.prompts is None:
            raise missing_prompts(self._name)
        return self.prompts

    @property
    def second_in_use(self) -> SecondEmbeddings | None:
        """The second encoder's vectors, if the bank was fitted with both encoders."""
        return None if self.joint_forecaster is None else self.second

    def require_reasoner(self, spec: ReasonerSpec | None = None) -> CalibratedReasoner:
        """Return the reasoner that the bank was fitted for.

        Parameters
        ----------
        spec : ReasonerSpec, optional
            The reasoner to be queried.

        Raises
        ------
        ConfigError
            If the bank was fitted for none, or for another than `spec`; names what differs.
        """
        if self.reasoner is None:
            raise ConfigError(
                f"{self._name} was not fitted for a reasoner, so its answers have no weight; "
                "run `scope bank fit --predictor scope`"
            )
        fitted = self.reasoner.spec
        if spec is not None and (names := fitted.differences(spec)):
            theirs, ours = fitted.model_dump(), spec.model_dump()
            differing = ", ".join(
                f"{name} ({theirs[name]!r}, now {ours[name]!r})" for name in names
            )
            raise ConfigError(
                f"{self._name} was fitted for another reasoner: they differ in {differing}; "
                "use that one, or run `scope bank fit --predictor scope` for this one"
            )
        return self.reasoner

    @property
    def _name(self) -> str:
        return f"bank {self.version or 'in memory'}"

    def with_prices(self, models: tuple[ModelSpec, ...]) -> "Bank":
        """Return the same bank with other prices; `models` are in its order."""
        bank = self if models == self.models else self.without_bill_ratio()
        return replace(bank, models=models)

    def without_bill_ratio(self) -> "Bank":
        """Return the bank for other choices than those that its bills were compared of."""
        return replace(self, reference=self.reference and self.reference.without_bill_ratio())


def check_embedders(bank: Bank, first: EmbedderSpec, second: EmbedderSpec | None) -> None:
    """Check that stored vectors are those of the encoders that a bank predicts with.

    Raises
    ------
    EmbedderMismatchError
        If one of them is another, or the second is missing.
    """
    if not bank.embedder.is_compatible_with(first):
        raise EmbedderMismatchError(str(bank.embedder), str(first))
    if bank.second_in_use is None:
        return
    expected = bank.second_in_use.embedder
    if second is None or not expected.is_compatible_with(second):
        raise EmbedderMismatchError(
            f"second {expected}", "none" if second is None else f"second {second}"
        )


def missing_prompts(source: str) -> ConfigError:
    """Return the error for a bank that was built without question texts."""
    return ConfigError(
        f"{source} has no question texts; the reasoning predictor needs them: "
        "build it without --drop-prompts"
    )


def check_vectors(embedding_nd: Float32Array, embedder: EmbedderSpec, ids: tuple[str, ...]) -> None:
    """Check that there is one finite vector of length 1 for each question.

    Raises
    ------
    BankError
        If the shape is another one; or names the first question whose vector is wrong.
    """
    expected = (len(ids), embedder.dimension)
    if embedding_nd.shape != expected:
        raise BankError(
            f"embeddings have shape {embedding_nd.shape}; "
            f"{expected[0]} questions of {embedder} need {expected}"
        )
    length, unit = norms(embedding_nd)
    wrong = np.flatnonzero(~unit)
    if wrong.size:
        first = wrong[0]
        raise BankError(
            f"embedding of {ids[first]!r} has length {length[first]}; expected 1 "
            f"({wrong.size} of {len(ids)} are wrong)"
        )
