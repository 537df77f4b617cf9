"""Examine a bank on labelled questions, against every baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from scope.arrays import BoolArray, FloatArray
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.evaluation.baselines import BASELINES, BaselineForecast, fit_baselines
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.forecast_quality import ForecastQuality, forecast_qualities
from scope.evaluation.leaderboard import (
    Leaderboard,
    LeaderboardRow,
    SingleModelRow,
    single_model_rows,
)
from scope.evaluation.planned_cost import PlannedVsRealised, planned_vs_realised, select_questions
from scope.evaluation.strategies import (
    BestSingleModel,
    LambdaSweep,
    Oracle,
    RandomMixtures,
    RandomModel,
    ResampledOutcomes,
    ShuffledControl,
    Strategy,
)
from scope.evaluation.test_set import EvaluationSet
from scope.predictions import Predictions
from scope.predictor import AnchorPredictor

OURS, MIX, ORACLE = "scope", "mix of single models", "oracle"
SINGLES, RANDOM, SHUFFLED = "single models", "random model", "scope, shuffled"
N_STEPS = len(BASELINES) + 1
"""How often `evaluate` reports progress."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that is said about a bank on some labelled questions.

    Attributes
    ----------
    models : tuple of str
    n_anchors, n_questions : int
        Questions are those that compare routers: every model's outcome is known.
    n_left_out, n_unknown_cells : int
        Questions left out of that comparison, and the (question, model) cells without
        an outcome or token counts for which they were.
    seed : int
    budgets_usd_per_1k : tuple of float
        Budgets of the area, at which every `LeaderboardRow.curve` is read.
    standings : tuple of LeaderboardRow
        Our router first.
    fixed : tuple of SingleModelRow
    promises : tuple of PlannedVsRealised
        What settings of our router planned, and what came of them.
    quality : tuple of ForecastQuality
        Of the forecasts, ours first, on every cell whose outcome is known.
    """

    models: tuple[str, ...]
    n_anchors: int
    n_questions: int
    n_left_out: int
    n_unknown_cells: int
    seed: int
    budgets_usd_per_1k: tuple[float, ...]
    leaderboard: tuple[LeaderboardRow, ...]
    single_models: tuple[SingleModelRow, ...]
    planned_costs: tuple[PlannedVsRealised, ...]
    quality: tuple[ForecastQuality, ...]

    def standing(self, name: str) -> LeaderboardRow:
        """Return the standing of one contender."""
        return next(one for one in self.leaderboard if one.name == name)


def evaluate(
    bank: Bank,
    exam: EvaluationSet,
    predictions: Predictions,
    *,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Compare our router with every baseline on labelled questions.

    Parameters
    ----------
    bank : Bank
        What everybody learns from; its models at its prices are the pool.
    exam : EvaluationSet
        Labelled questions put to that bank.
    predictions : Predictions
        Ours, for every question of the exam, as `predicted` makes them.
    seed : int
        Of the bootstrap and of the networks; the same gives the same numbers.
    advance : callable
        Called `N_STEPS` times in all.
    """
    # One thread sums in one order, on any machine; with matrices this small it is faster, too.
    with threadpool_limits(1):
        ours = predictions.estimates
        forecasts = [
            BaselineForecast(
                OURS, "this bank and its predictor", ours.p_correct_qm, ours.cost_usd_qm
            ),
            *fit_baselines(bank, exam, seed, advance),
        ]
        evaluation = _compare(bank, exam, predictions, forecasts, seed)
    advance()
    return evaluation


def predict_test_set(
    bank: Bank, exam: EvaluationSet, config: AnchorConfig | None = None
) -> Predictions:
    """Return our predictions for every question of the exam.

    Parameters
    ----------
    bank : Bank
    exam : EvaluationSet
    config : AnchorConfig, optional
        Default: as the bank was calibrated.
    """
    predictor = AnchorPredictor(bank, config)
    estimates, _ = predictor.predict(exam.embedding_qd, exam.features_qf)
    return Predictions(exam.ids, bank.model_ids, estimates)


def _compare(
    bank: Bank,
    exam: EvaluationSet,
    predictions: Predictions,
    forecasts: Sequence[BaselineForecast],
    seed: int,
) -> Evaluation:
    """Set everybody against each other on the questions whose outcomes are all known."""
    whole_q = exam.complete_q
    n_questions = int(whole_q.sum())
    record = ResampledOutcomes.from_outcomes(
        exam.truth.correct_qm[whole_q],
        exam.truth.cost_usd_qm[whole_q],
        bootstrap_weights(n_questions, seed),
    )
    our_cost_usd_qm = predictions.estimates.cost_usd_qm
    routed = {one.name: _routed(one, our_cost_usd_qm, whole_q) for one in forecasts}
    ranking = Leaderboard(record, _strategies(forecasts, routed), ours=OURS, mix=MIX, oracle=ORACLE)
    return Evaluation(
        models=bank.model_ids,
        n_anchors=len(bank.ids),
        n_questions=n_questions,
        n_left_out=len(exam.ids) - n_questions,
        n_unknown_cells=int(exam.unknown_qm.sum()),
        seed=seed,
        budgets_usd_per_1k=ranking.budgets_usd_per_1k,
        leaderboard=ranking.rows(),
        single_models=single_model_rows(record, bank.model_ids, routed[OURS]),
        planned_costs=planned_vs_realised(
            bank, select_questions(predictions, whole_q), record, ranking.matched_usd
        ),
        quality=forecast_qualities(
            {one.name: one.p_correct_qm for one in forecasts},
            bank.model_ids,
            exam,
            predictions.estimates.completion_tokens_qm,
            bootstrap_weights(len(exam.ids), seed),
        ),
    )


def _routed(
    forecast: BaselineForecast, our_cost_usd_qm: FloatArray, whole_q: BoolArray
) -> LambdaSweep:
    own = forecast.cost_usd_qm
    cost_usd_qm = our_cost_usd_qm if own is None else own
    return LambdaSweep(forecast.p_correct_qm[whole_q], cost_usd_qm[whole_q])


def _strategies(
    forecasts: Sequence[BaselineForecast], routed: Mapping[str, LambdaSweep]
) -> dict[str, tuple[str, Strategy]]:
    """Return note and contender by name: ours, what needs no forecast, who forecasts, bounds."""
    ours, *others = [(one.name, one.note) for one in forecasts]
    return {
        ours[0]: (ours[1], routed[OURS]),
        MIX: ("the best random mix, picked on these very outcomes", RandomMixtures()),
        SINGLES: ("the best one within the budget, for all questions", BestSingleModel()),
        RANDOM: ("drawn evenly for each question", RandomModel()),
        **{name: (note, routed[name]) for name, note in others},
        SHUFFLED: (
            "our decisions dealt to the questions at random",
            ShuffledControl(routed[OURS]),
        ),
        ORACLE: ("knows every outcome and cost: an upper bound", Oracle()),
    }
