"""Selective querying of a simulated reasoner: queries saved, and gain in accuracy and cost.

No checkpoint is measured: the reasoner has a given AUC on the embedded bank. It observes
``e = d * truth + N(0, 1)`` with ``d = sqrt(2) * PhiInv(AUC)``, independent of everything else
given the truth, and returns the calibrated probability with
``log odds = log odds of the model's mean + d * (e - d / 2)``, without lengths. The errors of a
real reasoner correlate with those of the anchors: its gain would be smaller at the same AUC.

The blend is fitted on leave-one-out estimates of a sample of anchors; decisions are on the
labelled questions, which are used for no fit and no selection. A query costs ``QUERY_USD``:
1,000 tokens at $.02 per million. Intervals are 95 %, over 1,000 resamples of the questions.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import expit, logit, ndtri
from threadpoolctl import threadpool_limits

from benchmarks.clock import seconds
from benchmarks.leaderboard import SEED, text
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, AnchorPredictor, load_bank
from scope.arrays import FloatArray, IntArray
from scope.bank.bank import Bank
from scope.bank.reference_population import fit_alpha_scale
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.test_set import EvaluationSet
from scope.fusion.blend import Blend
from scope.fusion.fit import fit_blend
from scope.fusion.selective_query import QueryRule, SelectiveQuery
from scope.policy.policy import ExpectedValue
from scope.predictions import Estimates
from scope.predictor.reference_population import MAX_REFERENCE_SIZE
from scope.reasoner.answers import ReasonerPrediction, ReasonerPredictions
from scope.sampling import hash_sample

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
AUCS = (0.7, 0.8, 0.9)
QUERY_USD = 1_000 * 0.02 / 1e6
N_PARALLEL = 4
MODES = {
    "exact": (QueryRule("exact"), 1),
    "parallel": (QueryRule("exact"), N_PARALLEL),
    "expected": (QueryRule("expected", QUERY_USD), 1),
}
N_NOISE_DRAWS = 100

QUERIES = (
    f"| α | queries possible | exact: sent | saved, % | other decisions | {N_PARALLEL} parallel: "
    "sent | saved, % | other decisions | expected: sent | saved, % | other decisions |\n"
    f"|{'---|' * 11}"
)
GAINS = (
    "| α | strategy | accuracy, % | minus anchors alone | USD per 1k | minus anchors alone "
    "| queries, USD per 1k |\n|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class SelectiveRun:
    """Decisions and number of queries of one strategy at one alpha.

    Attributes
    ----------
    model_q : ndarray of int, shape (n_questions,)
        Chosen model.
    n_queries_q : ndarray of int, shape (n_questions,)
    """

    model_q: IntArray
    n_queries_q: IntArray

    @classmethod
    def from_estimates(
        cls, policy: ExpectedValue, estimates: Estimates, n_queries: int
    ) -> "SelectiveRun":
        """Choose on estimates that took `n_queries` queries per question."""
        model_q = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm).model_q
        return cls(model_q, np.full(len(model_q), n_queries))


def main() -> None:
    """Print the weight of a random reasoner, then two tables for each AUC."""
    with threadpool_limits(1):
        bank = load_bank(EMBEDDED_BANK)
        training = TrainingAnchors.from_bank(bank)
        test_set = EvaluationSet.from_banks(bank, load_bank(EMBEDDED_QUESTIONS))
        print_noise(training)
        for auc in AUCS:
            rng = np.random.default_rng(SEED)
            blend = training.blend(simulated(training.correct_qm, auc, training.mean_m, rng))
            answers = simulated(test_set.truth.correct_qm, auc, training.mean_m, rng)
            print_tables(bank, test_set, auc, blend, answers)


@dataclass(frozen=True, slots=True)
class TrainingAnchors:
    """Anchors to fit a blend on: leave-one-out estimates and outcomes."""

    estimates: Estimates
    correct_qm: FloatArray
    tokens_qm: FloatArray
    mean_m: FloatArray
    """Of all anchors."""

    @classmethod
    def from_bank(cls, bank: Bank) -> "TrainingAnchors":
        """Draw a sample of 1,000 anchors: all would take seven times as many queries."""
        rows = np.array(hash_sample(bank.ids, MAX_REFERENCE_SIZE))
        predictor = AnchorPredictor(bank)
        estimates, _ = predictor.predict(bank.embedding_ad[rows], bank.features_af[rows], rows)
        correct_am, tokens_am = bank.outcomes.correct_am, bank.outcomes.completion_tokens_am
        return cls(estimates, correct_am[rows], tokens_am[rows], np.nanmean(correct_am, axis=0))

    def blend(self, answers: ReasonerPredictions) -> Blend:
        """Fit the blend of anchor estimates and these answers."""
        return fit_blend(
            self.estimates.p_correct_qm,
            self.estimates.completion_tokens_qm,
            answers,
            self.correct_qm,
            self.tokens_qm,
        )


def simulated(
    correct_qm: FloatArray, auc: float, mean_m: FloatArray, rng: np.random.Generator
) -> ReasonerPredictions:
    """Return calibrated answers of a reasoner of this AUC; NaN where the truth is NaN."""
    d = np.sqrt(2) * ndtri(auc)
    evidence_qm = d * correct_qm + rng.standard_normal(correct_qm.shape)
    p_yes_qm = expit(logit(mean_m) + d * (evidence_qm - d / 2))
    return ReasonerPredictions(p_yes_qm, np.full(p_yes_qm.shape, np.nan))


def print_noise(training: TrainingAnchors) -> None:
    """Print how often a random reasoner gets a positive weight."""
    weights = []
    for seed in range(N_NOISE_DRAWS):
        rng = np.random.default_rng(seed)
        noise = ReasonerPredictions(
            rng.random(training.correct_qm.shape), training.tokens_qm * np.nan
        )
        weights.append(training.blend(noise).weight)
    print(
        f"A random reasoner got a weight in {np.count_nonzero(weights)} of {N_NOISE_DRAWS} "
        f"draws; the largest was {max(weights):.3f}.\n"
    )


def print_tables(
    bank: Bank, test_set: EvaluationSet, auc: float, blend: Blend, answers: ReasonerPredictions
) -> None:
    """Print queries and decisions, then accuracy and cost, of one reasoner."""
    anchors, _ = AnchorPredictor(bank).predict(test_set.embedding_qd, test_set.features_qf)
    blended = blend.apply(anchors, answers, bank.models)
    scale = fit_alpha_scale(bank.reference, bank.models)
    n_questions, n_models = anchors.p_correct_qm.shape
    queries, gains, took_s = [], [], 0.0
    for alpha in ALPHAS:
        policy = ExpectedValue(scale.trade_off(alpha))
        results = {
            "anchors alone": SelectiveRun.from_estimates(policy, anchors, 0),
            "all queried": SelectiveRun.from_estimates(policy, blended, n_models),
        }
        for mode in MODES:
            work = partial(query_all, bank, policy, blend, anchors, answers, mode)
            mode_s, results[mode] = seconds(work)
            took_s += mode_s
        queries.append(f"| {alpha:g} | {query_cells(results, n_questions * n_models)} |")
        for name in ("anchors alone", "all queried", "expected"):
            cells = gain_cells(test_set, results[name], results["anchors alone"])
            gains.append(f"| {alpha:g} | {name} | {cells} |")
    title = f"AUC {auc:g}: weight {blend.weight:.2f}, slope {blend.slope:.2f}"
    print(f"### {title}, {n_questions:,} questions × {n_models} models\n")
    print(QUERIES, *queries, "", GAINS, *gains, "", sep="\n")
    print(f"{took_s:.0f} s of CPU for selective querying\n", flush=True)


def query_all(
    bank: Bank,
    policy: ExpectedValue,
    blend: Blend,
    anchors: Estimates,
    answers: ReasonerPredictions,
    mode: str,
) -> SelectiveRun:
    """Query selectively for every question; parallel queries are answered together."""
    rule, n_parallel = MODES[mode]
    model_q, n_queries_q = np.zeros((2, len(answers.p_yes_qm)), dtype=np.int64)
    for q in range(len(model_q)):
        single = anchors.select_questions(slice(q, q + 1))
        selection = SelectiveQuery(policy, blend, single, bank.models, rule)
        while not selection.done:
            for model in selection.start_next(n_parallel):
                answer = answers.p_yes_qm[q, model], answers.tokens_qm[q, model]
                selection.record({model: ReasonerPrediction(*answer)})
        final = selection.estimates()
        model_q[q] = policy.choose(final.p_correct_qm, final.cost_usd_qm).model_q[0]
        n_queries_q[q] = selection.n_started
    return SelectiveRun(model_q, n_queries_q)


def query_cells(results: dict[str, SelectiveRun], possible: int) -> str:
    """Return the cells of one row: queries sent and saved, other decisions than all queries."""
    model_q = results["all queried"].model_q
    cells = [f"{possible:,}"]
    for mode in MODES:
        n_queries = int(results[mode].n_queries_q.sum())
        n_same = int((results[mode].model_q == model_q).sum())
        cells += [f"{n_queries:,}", f"{100 * (1 - n_queries / possible):.1f}"]
        cells.append(f"{len(model_q) - n_same:,}")
    return " | ".join(cells)


def gain_cells(test_set: EvaluationSet, result: SelectiveRun, alone: SelectiveRun) -> str:
    """Return the cells of one row: realised accuracy and cost, and the difference to `alone`."""
    weight_rq = bootstrap_weights(len(test_set.ids), SEED)
    cells = []
    truth = ((test_set.truth.correct_qm, 100, 1), (test_set.truth.cost_usd_qm, 1_000, 3))
    for value_qm, scale, digits in truth:
        ours_q, alone_q = (
            scale * np.take_along_axis(value_qm, item.model_q[:, None], axis=1)[:, 0]
            for item in (result, alone)
        )
        cells.append(f"{ours_q.mean():.{digits}f}")
        cells.append(
            text(Interval.from_replicates(weight_rq @ (ours_q - alone_q)), 1, digits, sign=True)
        )
    cells.append(f"{1_000 * QUERY_USD * result.n_queries_q.mean():.3f}")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
