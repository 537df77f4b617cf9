"""Forecasts of the baselines, fitted on the anchors of the bank alone."""

from collections.abc import Callable
from dataclasses import dataclass

from scope.arrays import BoolArray, FloatArray
from scope.bank import Bank
from scope.baselines.inputs import DesignMatrix, TrainingSet, validation_mask
from scope.baselines.knn import TunedKNN, published_stage_one
from scope.baselines.logistic import LogisticBaseline
from scope.baselines.network import MATRIX_FACTORISATION, MLP, NetworkBaseline
from scope.evaluation import EvaluationSet


@dataclass(frozen=True, slots=True)
class BaselineForecast:
    """The forecasts of one router for every (question, model).

    Attributes
    ----------
    name : str
    note : str
        Description, and the selected hyperparameters.
    p_correct_qm : ndarray of shape (n_questions, n_models)
    cost_usd_qm : ndarray of shape (n_questions, n_models), or None
        None for a router that predicts probabilities only: it uses our costs, which
        favours it.
    """

    name: str
    note: str
    p_correct_qm: FloatArray
    cost_usd_qm: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class BaselineInputs:
    """The inputs of every baseline: the anchors to fit on, the questions to predict."""

    bank: Bank
    test_set: EvaluationSet
    training: TrainingSet
    validation_a: BoolArray
    design_qf: FloatArray
    seed: int

    @classmethod
    def from_banks(cls, bank: Bank, test_set: EvaluationSet, seed: int) -> "BaselineInputs":
        """Standardise the inputs over the anchors and draw the validation anchors."""
        design = DesignMatrix(bank)
        training = TrainingSet(
            design.transform(bank.embedding_ad, bank.features_af), bank.outcomes.correct_am
        )
        design_qf = design.transform(test_set.embedding_qd, test_set.features_qf)
        return cls(bank, test_set, training, validation_mask(bank.ids), design_qf, seed)


def fit_baselines(
    bank: Bank, test_set: EvaluationSet, seed: int, advance: Callable[[], None]
) -> list[BaselineForecast]:
    """Fit every baseline on the bank and predict the test set.

    Hyperparameters are selected on the bank: those of kNN by leave-one-out, the others
    on validation anchors, a fifth of all. No outcome of the test set is read.

    Parameters
    ----------
    bank : Bank
    test_set : EvaluationSet
    seed : int
        Of the initial weights of the networks.
    advance : callable
        Called after each baseline.
    """
    inputs = BaselineInputs.from_banks(bank, test_set, seed)
    forecasts = []
    for fit in BASELINES:
        forecasts.append(fit(inputs))
        advance()
    return forecasts


def _stage_one(inputs: BaselineInputs) -> BaselineForecast:
    note = "6 neighbours, similarity², no shrinkage, its own mean cost"
    return BaselineForecast(
        STAGE_ONE, note, *published_stage_one(inputs.bank, inputs.test_set.embedding_qd)
    )


def _tuned_knn(inputs: BaselineInputs) -> BaselineForecast:
    fit = TunedKNN(inputs.bank)
    settings = fit.settings
    note = (
        f"{settings.n_neighbours} neighbours, similarity^{settings.power:g}, "
        f"{settings.prior_strength:g} pseudo-anchors, selected by leave-one-out"
    )
    return BaselineForecast("kNN, tuned", note, fit.predict(inputs.test_set.embedding_qd))


def _logistic(inputs: BaselineInputs) -> BaselineForecast:
    fit = LogisticBaseline(inputs.training, inputs.validation_a)
    note = f"one per model, on embedding and text features, C = {fit.strength:g}"
    return BaselineForecast("logistic regression", note, fit.predict(inputs.design_qf))


def _mlp(inputs: BaselineInputs) -> BaselineForecast:
    fit = NetworkBaseline(inputs.training, inputs.validation_a, MLP, inputs.seed)
    note = f"{MLP.n_hidden} hidden units, all models at once, weight decay {fit.decay:g}"
    return BaselineForecast("MLP", note, fit.predict(inputs.design_qf))


def _matrix_factorisation(inputs: BaselineInputs) -> BaselineForecast:
    fit = NetworkBaseline(inputs.training, inputs.validation_a, MATRIX_FACTORISATION, inputs.seed)
    n_factors = MATRIX_FACTORISATION.n_hidden
    note = f"as in RouteLLM, for N models: {n_factors} factors, weight decay {fit.decay:g}"
    return BaselineForecast("matrix factorisation", note, fit.predict(inputs.design_qf))


STAGE_ONE = "Stage I, published"

BASELINES: tuple[Callable[[BaselineInputs], BaselineForecast], ...] = (
    _stage_one,
    _tuned_knn,
    _logistic,
    _mlp,
    _matrix_factorisation,
)
