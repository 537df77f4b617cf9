"""What other routers would forecast, fitted on the anchors of the bank alone."""

from collections.abc import Callable
from dataclasses import dataclass

from scope.arrays import Bools, Floats
from scope.bank import Bank
from scope.exam import Exam
from scope.forecast import Design, Lesson, held_out
from scope.logistic import LogisticBaseline
from scope.neighbours import TunedNeighbours, published
from scope.network import FACTORS, PERCEPTRON, NetworkBaseline


@dataclass(frozen=True, slots=True)
class Forecast:
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
    p_correct_qm: Floats
    cost_usd_qm: Floats | None = None


@dataclass(frozen=True, slots=True)
class Schooling:
    """What every baseline is given: the anchors to learn from, the questions to forecast."""

    bank: Bank
    exam: Exam
    lesson: Lesson
    held_out_a: Bools
    design_qf: Floats
    seed: int

    @classmethod
    def of(cls, bank: Bank, exam: Exam, seed: int) -> "Schooling":
        """Scale the inputs by the anchors and keep a fifth of those aside."""
        design = Design(bank)
        lesson = Lesson(design.of(bank.embedding_ad, bank.features_af), bank.outcomes.correct_am)
        design_qf = design.of(exam.embedding_qd, exam.features_qf)
        return cls(bank, exam, lesson, held_out(bank.ids), design_qf, seed)


def fit_baselines(bank: Bank, exam: Exam, seed: int, advance: Callable[[], None]) -> list[Forecast]:
    """Fit every baseline on the bank and forecast the exam.

    Settings are picked inside the bank: neighbours by leaving one out, the others
    on a fifth of the anchors held out. No outcome of the exam is looked at.

    Parameters
    ----------
    bank : Bank
    exam : Exam
    seed : int
        Of the first weights of the networks.
    advance : callable
        Called after each baseline.
    """
    schooling = Schooling.of(bank, exam, seed)
    forecasts = []
    for fit in BASELINES:
        forecasts.append(fit(schooling))
        advance()
    return forecasts


def _stage_one(given: Schooling) -> Forecast:
    note = "6 neighbours, similarity², no shrinkage, its own mean cost"
    return Forecast(STAGE_ONE, note, *published(given.bank, given.exam.embedding_qd))


def _neighbours(given: Schooling) -> Forecast:
    fit = TunedNeighbours(given.bank)
    chosen = fit.settings
    note = (
        f"{chosen.n_neighbours} neighbours, similarity^{chosen.power:g}, "
        f"{chosen.pseudo_anchors:g} pseudo-anchors, picked by leaving one out"
    )
    return Forecast("kNN, tuned", note, fit.predict(given.exam.embedding_qd))


def _logistic(given: Schooling) -> Forecast:
    fit = LogisticBaseline(given.lesson, given.held_out_a)
    note = f"one a model, on embedding and text features, C = {fit.strength:g}"
    return Forecast("logistic regression", note, fit.predict(given.design_qf))


def _perceptron(given: Schooling) -> Forecast:
    fit = NetworkBaseline(given.lesson, given.held_out_a, PERCEPTRON, given.seed)
    note = f"{PERCEPTRON.n_hidden} hidden units, all models at once, decay {fit.decay:g}"
    return Forecast("MLP", note, fit.predict(given.design_qf))


def _factors(given: Schooling) -> Forecast:
    fit = NetworkBaseline(given.lesson, given.held_out_a, FACTORS, given.seed)
    note = f"as in RouteLLM, for N models: {FACTORS.n_hidden} factors, decay {fit.decay:g}"
    return Forecast("matrix factorisation", note, fit.predict(given.design_qf))


STAGE_ONE = "Stage I, published"

BASELINES: tuple[Callable[[Schooling], Forecast], ...] = (
    _stage_one,
    _neighbours,
    _logistic,
    _perceptron,
    _factors,
)
