"""What the cascade saves, and what asking is worth, with a reasoner that is simulated.

No checkpoint is needed, and none is measured: what is shown is what a reasoner of a given AUC
would be worth on the embedded bank. It sees evidence ``e = d * truth + N(0, 1)`` with
``d = sqrt(2) * PhiInv(AUC)``, independent of everything else given the truth, and turns it into
a calibrated probability, ``log odds = log odds of the model's mean + d * (e - d / 2)``; lengths
it does not name. A real one errs where the anchors err: it would be worth less than one of
the same AUC here.

The blend is fitted on a sample of anchors, each foretold without itself; decisions are those on
the labelled questions, that nothing was fitted or picked on. An answer is taken to cost
``ASK_USD``: 1,000 tokens at $.02 per million. Intervals are 95 %, over 1,000 resamples of the
questions.
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
ASK_USD = 1_000 * 0.02 / 1e6
AT_ONCE = 4
MODES = {
    "exact": (QueryRule("exact"), 1),
    "at once": (QueryRule("exact"), AT_ONCE),
    "expected": (QueryRule("expected", ASK_USD), 1),
}
N_NOISES = 100

CALLS = (
    f"| α | calls possible | exact: asked | saved, % | other decisions | {AT_ONCE} at once: asked "
    "| saved, % | other decisions | expected: asked | saved, % | other decisions |\n"
    f"|{'---|' * 11}"
)
WORTH = (
    "| α | way | accuracy, % | minus anchors alone | USD per 1k | minus anchors alone "
    "| asking, USD per 1k |\n|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one way of asking at one alpha.

    Attributes
    ----------
    model_q : ndarray of int, shape (n_questions,)
        Chosen.
    n_asked_q : ndarray of int, shape (n_questions,)
    """

    model_q: IntArray
    n_asked_q: IntArray

    @classmethod
    def by(cls, policy: ExpectedValue, estimates: Estimates, n_asked: int) -> "Asked":
        """Choose on estimates for which as many answers were asked a question."""
        model_q = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm).model_q
        return cls(model_q, np.full(len(model_q), n_asked))


def main() -> None:
    """Print what noise earns, then two tables for each AUC."""
    with threadpool_limits(1):
        bank = load_bank(EMBEDDED_BANK)
        lesson, exam = (
            Lesson.of(bank),
            EvaluationSet.from_banks(bank, load_bank(EMBEDDED_QUESTIONS)),
        )
        print_noise(lesson)
        for auc in AUCS:
            rng = np.random.default_rng(SEED)
            blend = lesson.blend(simulated(lesson.correct_qm, auc, lesson.mean_m, rng))
            answers = simulated(exam.truth.correct_qm, auc, lesson.mean_m, rng)
            examine(bank, exam, auc, blend, answers)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Anchors to fit a blend on: what is said of them without themselves, and their outcomes."""

    estimates: Estimates
    correct_qm: FloatArray
    tokens_qm: FloatArray
    mean_m: FloatArray
    """Of all anchors."""

    @classmethod
    def of(cls, bank: Bank) -> "Lesson":
        """Take a sample of 1,000 anchors: asking about all would cost seven times as much."""
        rows = np.array(hash_sample(bank.ids, MAX_REFERENCE_SIZE))
        predictor = AnchorPredictor(bank)
        said, _ = predictor.predict(bank.embedding_ad[rows], bank.features_af[rows], rows)
        correct_am, tokens_am = bank.outcomes.correct_am, bank.outcomes.completion_tokens_am
        return cls(said, correct_am[rows], tokens_am[rows], np.nanmean(correct_am, axis=0))

    def blend(self, answers: ReasonerPredictions) -> Blend:
        """Return what these answers have earned."""
        said = self.estimates
        return fit_blend(
            said.p_correct_qm,
            said.completion_tokens_qm,
            answers,
            self.correct_qm,
            self.tokens_qm,
        )


def simulated(
    correct_qm: FloatArray, auc: float, mean_m: FloatArray, rng: np.random.Generator
) -> ReasonerPredictions:
    """Return calibrated answers of a reasoner of this AUC; unknown where the truth is."""
    d = np.sqrt(2) * ndtri(auc)
    evidence_qm = d * correct_qm + rng.standard_normal(correct_qm.shape)
    p_yes_qm = expit(logit(mean_m) + d * (evidence_qm - d / 2))
    return ReasonerPredictions(p_yes_qm, np.full(p_yes_qm.shape, np.nan))


def print_noise(lesson: Lesson) -> None:
    """Say how often a reasoner that knows nothing earns a weight."""
    weights = []
    for seed in range(N_NOISES):
        rng = np.random.default_rng(seed)
        noise = ReasonerPredictions(rng.random(lesson.correct_qm.shape), lesson.tokens_qm * np.nan)
        weights.append(lesson.blend(noise).weight)
    print(
        f"A reasoner of pure noise earned a weight in {np.count_nonzero(weights)} of {N_NOISES} "
        f"draws; the largest was {max(weights):.3f}.\n"
    )


def examine(
    bank: Bank, exam: EvaluationSet, auc: float, blend: Blend, answers: ReasonerPredictions
) -> None:
    """Print calls and decisions, then accuracy and cost, of one reasoner."""
    anchors, _ = AnchorPredictor(bank).predict(exam.embedding_qd, exam.features_qf)
    everybody = blend.apply(anchors, answers, bank.models)
    dial = fit_alpha_scale(bank.reference, bank.models)
    n_questions, n_models = anchors.p_correct_qm.shape
    calls, worth, took_s = [], [], 0.0
    for alpha in ALPHAS:
        policy = ExpectedValue(dial.trade_off(alpha))
        ways = {
            "anchors alone": Asked.by(policy, anchors, 0),
            "everybody asked": Asked.by(policy, everybody, n_models),
        }
        for mode in MODES:
            ask_them = partial(ask, bank, policy, blend, anchors, answers, mode)
            one_s, ways[mode] = seconds(ask_them)
            took_s += one_s
        calls.append(f"| {alpha:g} | {calls_of(ways, n_questions * n_models)} |")
        for name in ("anchors alone", "everybody asked", "expected"):
            worth.append(f"| {alpha:g} | {name} | {worth_of(exam, ways[name], ways)} |")
    title = f"AUC {auc:g}: weight {blend.weight:.2f}, slope {blend.slope:.2f}"
    print(f"### {title}, {n_questions:,} questions × {n_models} models\n")
    print(CALLS, *calls, "", WORTH, *worth, "", sep="\n")
    print(f"{took_s:.0f} s of CPU for all cascades\n", flush=True)


def ask(
    bank: Bank,
    policy: ExpectedValue,
    blend: Blend,
    anchors: Estimates,
    answers: ReasonerPredictions,
    mode: str,
) -> Asked:
    """Run the cascade on every question; those asked at once answer together."""
    asking, at_once = MODES[mode]
    model_q, n_asked_q = np.zeros((2, len(answers.p_yes_qm)), dtype=np.int64)
    for q in range(len(model_q)):
        one = anchors.select_questions(slice(q, q + 1))
        cascade = SelectiveQuery(policy, blend, one, bank.models, asking)
        while not cascade.done:
            for model in cascade.start_next(at_once):
                cascade.record(
                    model,
                    ReasonerPrediction(answers.p_yes_qm[q, model], answers.tokens_qm[q, model]),
                )
        known = cascade.estimates()
        model_q[q] = policy.choose(known.p_correct_qm, known.cost_usd_qm).model_q[0]
        n_asked_q[q] = cascade.n_started
    return Asked(model_q, n_asked_q)


def calls_of(ways: dict[str, Asked], possible: int) -> str:
    """Return the cells of one line: who was asked, and which decisions differ from asking all."""
    model_q = ways["everybody asked"].model_q
    cells = [f"{possible:,}"]
    for mode in MODES:
        n_asked = int(ways[mode].n_asked_q.sum())
        n_same = int((ways[mode].model_q == model_q).sum())
        cells += [f"{n_asked:,}", f"{100 * (1 - n_asked / possible):.1f}"]
        cells.append(f"{len(model_q) - n_same:,}")
    return " | ".join(cells)


def worth_of(exam: EvaluationSet, asked: Asked, ways: dict[str, Asked]) -> str:
    """Return the cells of one line: what really came of it, beside the anchors alone."""
    weight_rq = bootstrap_weights(len(exam.ids), SEED)
    cells = []
    truth = ((exam.truth.correct_qm, 100, 1), (exam.truth.cost_usd_qm, 1_000, 3))
    for value_qm, scale, digits in truth:
        ours_q, alone_q = (
            scale * np.take_along_axis(value_qm, one.model_q[:, None], axis=1)[:, 0]
            for one in (asked, ways["anchors alone"])
        )
        cells.append(f"{ours_q.mean():.{digits}f}")
        cells.append(
            text(Interval.from_replicates(weight_rq @ (ours_q - alone_q)), 1, digits, sign=True)
        )
    cells.append(f"{1_000 * ASK_USD * asked.n_asked_q.mean():.3f}")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
