"""What other routers would forecast, fitted on the anchors of the bank alone."""

from collections.abc import Callable
from dataclasses import dataclass

from scope.arrays import BoolArray, FloatArray
from scope.bank import Bank
from scope.evaluation.baseline_inputs import DesignMatrix, TrainingSet, validation_mask
from scope.evaluation.baseline_knn import TunedKNN, published_stage_one
from scope.evaluation.baseline_logistic import LogisticBaseline
from scope.evaluation.baseline_network import MATRIX_FACTORISATION, MLP, NetworkBaseline
from scope.evaluation.test_set import EvaluationSet


@dataclass(frozen=True, slots=True)
class BaselineForecast:
    """One router's forecasts for every (question, model).

    Attributes
    ----------
    name : str
    note : str
        What it is, and the settings it picked.
    p_correct_qm : ndarray of shape (n_questions, n_models)
    cost_usd_qm : ndarray of shape (n_questions, n_models), or None
        None for one that foretells probability only: it is given our costs, which
        favours it.
    """

    name: str
    note: str
    p_correct_qm: FloatArray
    cost_usd_qm: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class BaselineInputs:
    """What every baseline is given: the anchors to learn from, the questions to forecast."""

    bank: Bank
    exam: EvaluationSet
    lesson: TrainingSet
    held_out_a: BoolArray
    design_qf: FloatArray
    seed: int

    @classmethod
    def from_banks(cls, bank: Bank, exam: EvaluationSet, seed: int) -> "BaselineInputs":
        """Scale the inputs by the anchors and keep a fifth of those aside."""
        design = DesignMatrix(bank)
        lesson = TrainingSet(
            design.transform(bank.embedding_ad, bank.features_af), bank.outcomes.correct_am
        )
        design_qf = design.transform(exam.embedding_qd, exam.features_qf)
        return cls(bank, exam, lesson, validation_mask(bank.ids), design_qf, seed)


def fit_baselines(
    bank: Bank, exam: EvaluationSet, seed: int, advance: Callable[[], None]
) -> list[BaselineForecast]:
    """Fit every baseline on the bank and forecast the exam.

    Settings are picked inside the bank: neighbours by leaving one out, the others
    on a fifth of the anchors held out. No outcome of the exam is looked at.

    Parameters
    ----------
    bank : Bank
    exam : EvaluationSet
    seed : int
        Of the first weights of the networks.
    advance : callable
        Called after each baseline.
    """
    schooling = BaselineInputs.from_banks(bank, exam, seed)
    forecasts = []
    for fit in BASELINES:
        forecasts.append(fit(schooling))
        advance()
    return forecasts


def _stage_one(given: BaselineInputs) -> BaselineForecast:
    note = "6 neighbours, similarity², no shrinkage, its own mean cost"
    return BaselineForecast(
        STAGE_ONE, note, *published_stage_one(given.bank, given.exam.embedding_qd)
    )


def _neighbours(given: BaselineInputs) -> BaselineForecast:
    fit = TunedKNN(given.bank)
    chosen = fit.settings
    note = (
        f"{chosen.n_neighbours} neighbours, similarity^{chosen.power:g}, "
        f"{chosen.prior_strength:g} pseudo-anchors, picked by leaving one out"
    )
    return BaselineForecast("kNN, tuned", note, fit.predict(given.exam.embedding_qd))


def _logistic(given: BaselineInputs) -> BaselineForecast:
    fit = LogisticBaseline(given.lesson, given.held_out_a)
    note = f"one a model, on embedding and text features, C = {fit.strength:g}"
    return BaselineForecast("logistic regression", note, fit.predict(given.design_qf))


def _mlp(given: BaselineInputs) -> BaselineForecast:
    fit = NetworkBaseline(given.lesson, given.held_out_a, MLP, given.seed)
    note = f"{MLP.n_hidden} hidden units, all models at once, decay {fit.decay:g}"
    return BaselineForecast("MLP", note, fit.predict(given.design_qf))


def _matrix_factorisation(given: BaselineInputs) -> BaselineForecast:
    fit = NetworkBaseline(given.lesson, given.held_out_a, MATRIX_FACTORISATION, given.seed)
    n_factors = MATRIX_FACTORISATION.n_hidden
    note = f"as in RouteLLM, for N models: {n_factors} factors, decay {fit.decay:g}"
    return BaselineForecast("matrix factorisation", note, fit.predict(given.design_qf))


STAGE_ONE = "Stage I, published"

BASELINES: tuple[Callable[[BaselineInputs], BaselineForecast], ...] = (
    _stage_one,
    _neighbours,
    _logistic,
    _mlp,
    _matrix_factorisation,
)
