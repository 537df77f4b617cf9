"""Evaluate a bank on labelled questions, against every baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from scope.arrays import BoolArray, FloatArray
from scope.bank import Bank
from scope.baselines import BASELINES, BaselineForecast, fit_baselines
from scope.config import AnchorConfig
from scope.evaluation import (
    BestSingleModel,
    EvaluationSet,
    ForecastQuality,
    LambdaSweep,
    Leaderboard,
    LeaderboardRow,
    NearDuplicates,
    Oracle,
    PlannedVsRealised,
    RandomMixtures,
    ResampledOutcomes,
    ShuffledControl,
    SingleModelRow,
    Strategy,
    bootstrap_weights,
    forecast_qualities,
    hash_folds,
    near_duplicates,
    planned_vs_realised,
    select_questions,
    single_model_rows,
)
from scope.predictions import Predictions
from scope.predictor import AnchorPredictor
from scope.saving import AgainstReference, ReferenceRequest, evaluate_against_reference

OURS, MIXTURE, ORACLE = "scope", "random mixture", "oracle"
BEST_SINGLE, SHUFFLED = "best single model", "scope, shuffled"
N_STEPS = len(BASELINES) + 1
"""Number of calls of `advance` by `evaluate`."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results of a bank on labelled questions.

    Attributes
    ----------
    models : tuple of str
    n_anchors, n_questions : int
        Questions on which routers are compared: every model's outcome is known.
    n_left_out, n_unknown_cells : int
        Questions left out of that comparison, and their (question, model) cells without
        an outcome or token counts.
    seed : int
    budgets_usd_per_1k : tuple of float
        Budgets of the area, at which every `LeaderboardRow.curve` is read.
    leaderboard : tuple of LeaderboardRow
        Our router first.
    single_models : tuple of SingleModelRow
    planned_costs : tuple of PlannedVsRealised
        Planned and realised accuracy and cost of settings of our router.
    quality : tuple of ForecastQuality
        Of the forecasts, ours first, on every cell with a known outcome.
    near_duplicates : NearDuplicates
        What a perfect reading of the questions could know.
    against_reference : AgainstReference or None
        None if no reference was named.
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
    near_duplicates: NearDuplicates
    against_reference: AgainstReference | None = None

    def row(self, name: str) -> LeaderboardRow:
        """Return the row of one strategy."""
        return next(row for row in self.leaderboard if row.name == name)


def evaluate(
    bank: Bank,
    test_set: EvaluationSet,
    predictions: Predictions,
    *,
    seed: int = 0,
    against: ReferenceRequest | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Compare our router with every baseline on labelled questions.

    Parameters
    ----------
    bank : Bank
        Every router is fitted on its anchors; its models at its prices are the pool.
    test_set : EvaluationSet
        Labelled questions for that bank.
    predictions : Predictions
        Ours, for every question of the test set, as `predict_test_set` returns them.
    seed : int
        Of the bootstrap and of the networks; the same seed gives the same numbers.
    against : ReferenceRequest, optional
        Compare with always this model, too, and with learned routers relative to it.
    advance : callable
        Called `N_STEPS` times in total, to show progress.
    """
    # One thread sums in one order on any machine, and is faster for such small matrices.
    with threadpool_limits(1):
        ours = predictions.estimates
        forecasts = [
            BaselineForecast(
                OURS, "this bank and its predictor", ours.p_correct_qm, ours.cost_usd_qm
            ),
            *fit_baselines(bank, test_set, seed, advance),
        ]
        evaluation = _compare(bank, test_set, predictions, forecasts, seed)
        if against:
            section = evaluate_against_reference(
                bank, test_set, predictions, forecasts, _outcomes(test_set, seed), against
            )
            evaluation = replace(evaluation, against_reference=section)
    advance()
    return evaluation


def predict_test_set(
    bank: Bank,
    test_set: EvaluationSet,
    config: AnchorConfig | None = None,
    *,
    known_fact: bool = False,
) -> Predictions:
    """Return our predictions for every question of the test set.

    Parameters
    ----------
    bank : Bank
    test_set : EvaluationSet
    config : AnchorConfig, optional
        Default: the configuration the bank was fitted with.
    known_fact : bool
        The categories of the questions are known.

    Raises
    ------
    ConfigError
        If `known_fact` and the bank has learned none of their categories.
    """
    facts = None
    if known_fact:
        facts = bank.learned_facts(test_set.categories, "the labelled set")
    predictor = AnchorPredictor(bank, config)
    estimates, _ = predictor.predict(
        test_set.embedding_qd,
        test_set.features_qf,
        known_facts=facts,
        second_qy=test_set.second_qy,
    )
    return Predictions(test_set.ids, bank.model_ids, estimates)


def _compare(
    bank: Bank,
    test_set: EvaluationSet,
    predictions: Predictions,
    forecasts: Sequence[BaselineForecast],
    seed: int,
) -> Evaluation:
    """Compare all routers on the questions with the outcomes of all models."""
    complete_q, outcomes = test_set.complete_q, _outcomes(test_set, seed)
    n_questions = len(outcomes.correct_qm)
    our_cost_usd_qm = predictions.estimates.cost_usd_qm
    sweeps = {
        forecast.name: _sweep(forecast, our_cost_usd_qm, complete_q) for forecast in forecasts
    }
    leaderboard = Leaderboard(
        outcomes, _strategies(forecasts, sweeps), ours=OURS, mixture=MIXTURE, oracle=ORACLE
    )
    return Evaluation(
        models=bank.model_ids,
        n_anchors=len(bank.ids),
        n_questions=n_questions,
        n_left_out=len(test_set.ids) - n_questions,
        n_unknown_cells=int(test_set.unknown_qm.sum()),
        seed=seed,
        budgets_usd_per_1k=leaderboard.budgets_usd_per_1k,
        leaderboard=leaderboard.rows(),
        single_models=single_model_rows(outcomes, bank.model_ids, sweeps[OURS]),
        planned_costs=planned_vs_realised(
            bank, select_questions(predictions, complete_q), outcomes, leaderboard.matched_usd
        ),
        quality=forecast_qualities(
            {forecast.name: forecast.p_correct_qm for forecast in forecasts},
            bank.model_ids,
            test_set,
            predictions.estimates.completion_tokens_qm,
            bootstrap_weights(len(test_set.ids), seed),
        ),
        near_duplicates=near_duplicates(bank, test_set, predictions.estimates.p_correct_qm, seed),
    )


def _outcomes(test_set: EvaluationSet, seed: int) -> ResampledOutcomes:
    """Return the outcomes of the questions that have all, with bootstrap weights."""
    complete_q = test_set.complete_q
    return ResampledOutcomes.from_outcomes(
        test_set.truth.correct_qm[complete_q],
        test_set.truth.cost_usd_qm[complete_q],
        bootstrap_weights(int(complete_q.sum()), seed),
        hash_folds(test_set.complete_ids),
    )


def _sweep(
    forecast: BaselineForecast, our_cost_usd_qm: FloatArray, complete_q: BoolArray
) -> LambdaSweep:
    own_qm = forecast.cost_usd_qm
    cost_usd_qm = our_cost_usd_qm if own_qm is None else own_qm
    return LambdaSweep(forecast.p_correct_qm[complete_q], cost_usd_qm[complete_q])


def _strategies(
    forecasts: Sequence[BaselineForecast], sweeps: Mapping[str, LambdaSweep]
) -> dict[str, tuple[str, Strategy]]:
    """Return note and strategy by name: ours, without forecasts, with forecasts, bounds."""
    ours, *others = [(forecast.name, forecast.note) for forecast in forecasts]
    return {
        ours[0]: (ours[1], sweeps[OURS]),
        MIXTURE: (
            "the best convex mixture",
            RandomMixtures(),
        ),
        BEST_SINGLE: ("the best one within the budget for all questions", BestSingleModel()),
        **{name: (note, sweeps[name]) for name, note in others},
        SHUFFLED: (
            "our decisions assigned to random questions",
            ShuffledControl(sweeps[OURS]),
        ),
        ORACLE: ("every outcome and cost is known beforehand: an upper bound", Oracle()),
    }
