"""Examine a bank on labelled questions, against every baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from scope.arrays import Bools, Floats
from scope.bank import Bank
from scope.baselines import BASELINES, Forecast, fit_baselines
from scope.bootstrap import resamples
from scope.config import AnchorConfig
from scope.contenders import (
    Contender,
    Mixes,
    Oracle,
    RandomModel,
    Record,
    Routed,
    Shuffled,
    SingleModels,
)
from scope.exam import Exam
from scope.predictions import Predictions
from scope.predictor import AnchorPredictor
from scope.promise import Promise, promises, rows_of
from scope.quality import Quality, qualities
from scope.standing import Fixed, Ranking, Standing, fixed_points

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
        Budgets of the area, at which every `Standing.curve` is read.
    standings : tuple of Standing
        Our router first.
    fixed : tuple of Fixed
    promises : tuple of Promise
        What settings of our router planned, and what came of them.
    quality : tuple of Quality
        Of the forecasts, ours first, on every cell whose outcome is known.
    """

    models: tuple[str, ...]
    n_anchors: int
    n_questions: int
    n_left_out: int
    n_unknown_cells: int
    seed: int
    budgets_usd_per_1k: tuple[float, ...]
    standings: tuple[Standing, ...]
    fixed: tuple[Fixed, ...]
    promises: tuple[Promise, ...]
    quality: tuple[Quality, ...]

    def standing(self, name: str) -> Standing:
        """Return the standing of one contender."""
        return next(one for one in self.standings if one.name == name)


def evaluate(
    bank: Bank,
    exam: Exam,
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
    exam : Exam
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
            Forecast(OURS, "this bank and its predictor", ours.p_correct_qm, ours.cost_usd_qm),
            *fit_baselines(bank, exam, seed, advance),
        ]
        evaluation = _compared(bank, exam, predictions, forecasts, seed)
    advance()
    return evaluation


def predicted(bank: Bank, exam: Exam, config: AnchorConfig | None = None) -> Predictions:
    """Return our predictions for every question of the exam.

    Parameters
    ----------
    bank : Bank
    exam : Exam
    config : AnchorConfig, optional
        Default: as the bank was calibrated.
    """
    predictor = AnchorPredictor(bank, config)
    estimates, _ = predictor.predict(exam.embedding_qd, exam.features_qf)
    return Predictions(exam.ids, bank.model_ids, estimates)


def _compared(
    bank: Bank, exam: Exam, predictions: Predictions, forecasts: Sequence[Forecast], seed: int
) -> Evaluation:
    """Set everybody against each other on the questions whose outcomes are all known."""
    whole_q = exam.complete_q
    n_questions = int(whole_q.sum())
    record = Record.of(
        exam.truth.correct_qm[whole_q],
        exam.truth.cost_usd_qm[whole_q],
        resamples(n_questions, seed),
    )
    our_cost_usd_qm = predictions.estimates.cost_usd_qm
    routed = {one.name: _routed(one, our_cost_usd_qm, whole_q) for one in forecasts}
    ranking = Ranking(record, _contenders(forecasts, routed), ours=OURS, mix=MIX, oracle=ORACLE)
    return Evaluation(
        models=bank.model_ids,
        n_anchors=len(bank.ids),
        n_questions=n_questions,
        n_left_out=len(exam.ids) - n_questions,
        n_unknown_cells=int(exam.unknown_qm.sum()),
        seed=seed,
        budgets_usd_per_1k=ranking.budgets_usd_per_1k,
        standings=ranking.standings(),
        fixed=fixed_points(record, bank.model_ids, routed[OURS]),
        promises=promises(bank, rows_of(predictions, whole_q), record, ranking.matched_usd),
        quality=qualities(
            {one.name: one.p_correct_qm for one in forecasts},
            bank.model_ids,
            exam,
            predictions.estimates.completion_tokens_qm,
            resamples(len(exam.ids), seed),
        ),
    )


def _routed(forecast: Forecast, our_cost_usd_qm: Floats, whole_q: Bools) -> Routed:
    own = forecast.cost_usd_qm
    cost_usd_qm = our_cost_usd_qm if own is None else own
    return Routed(forecast.p_correct_qm[whole_q], cost_usd_qm[whole_q])


def _contenders(
    forecasts: Sequence[Forecast], routed: Mapping[str, Routed]
) -> dict[str, tuple[str, Contender]]:
    """Return note and contender by name: ours, what needs no forecast, who forecasts, bounds."""
    ours, *others = [(one.name, one.note) for one in forecasts]
    return {
        ours[0]: (ours[1], routed[OURS]),
        MIX: ("the best random mix, picked on these very outcomes", Mixes()),
        SINGLES: ("the best one within the budget, for all questions", SingleModels()),
        RANDOM: ("drawn evenly for each question", RandomModel()),
        **{name: (note, routed[name]) for name, note in others},
        SHUFFLED: (
            "our decisions dealt to the questions at random",
            Shuffled(routed[OURS]),
        ),
        ORACLE: ("knows every outcome and cost: an upper bound", Oracle()),
    }
