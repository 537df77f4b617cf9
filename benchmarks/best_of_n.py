"""Best of n on drawn samples: predicted against observed, and policies over arms ``model@n``.

``python -m benchmarks.best_of_n SAMPLES [PRICES]`` with a file that `scope.samples` reads: several
graded samples (scorer ``correct``, the judge) of each model on each prompt. Half of the prompts,
by hash, fit everything: the probability of one sample (logistic regression on embedding and text
features; out of fold for the fits that build on it), the concentration of each model, the odds
of each selector and the mean lengths. The other half is reported. With prices the arms are
routed, too: a prompt is billed n times, a selector nothing. Intervals are 95 %, over 1,000
resamples of the prompts.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits

from benchmarks.leaderboard import SEED
from scope.arms import Arm, best_of_n_probability, fit_concentration, within_question_auc
from scope.arrays import BoolArray, FloatArray
from scope.baselines.inputs import TrainingSet
from scope.baselines.logistic import LogisticBaseline
from scope.embedding.encoder import Encoder
from scope.embedding.text_features import text_features
from scope.evaluation.best_of_n import (
    compare_best_of_n,
    observed_majority,
)
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.formatting import format_points, format_share
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes
from scope.pool import ModelSpec, cost_usd
from scope.prices import load_prices, select_specs
from scope.questions import final_answer
from scope.samples import Samples, best_of_n_scores, check_judge, read_samples
from scope.sampling import hash_sample
from scope.saving.comparison import SAVINGS, AgainstReference, compare_with_reference
from scope.saving.routers import match_probability
from scope.saving.sweep import threshold_choices

JUDGE, MAJORITY = "correct", "majority"
N_SAMPLES = (1, 2, 3, 5, 10)
N_ARMS = (1, 2, 3, 5)
N_FOLDS = 5
MIN_P = 0.01
ASSUMED = 0.5, 0.6 / 0.4
"""Concentration and odds of a bank without multi-sample data."""


@dataclass(frozen=True, slots=True)
class SelectorRun:
    """One selector on all prompts: its pick for each n and model, and its odds on the fit half."""

    name: str
    picked: dict[int, FloatArray]
    """n -> expected grade of the pick, (n_prompts, n_models)."""
    odds_m: FloatArray


@dataclass(frozen=True, slots=True)
class FittedSamples:
    """Samples with what half of the prompts, `fit_q`, tells about all.

    Attributes
    ----------
    samples : Samples
    fit_q : ndarray of bool, shape (n_prompts,)
    design_qf : ndarray of shape (n_prompts, n_inputs)
    p_qm : ndarray of shape (n_prompts, n_models)
        Probability that one sample is right.
    kappa_m : ndarray of shape (n_models,)
    """

    samples: Samples
    fit_q: BoolArray
    design_qf: FloatArray
    p_qm: FloatArray
    kappa_m: FloatArray

    @property
    def grades_qmo(self) -> FloatArray:
        """The judge's scores of the samples."""
        return self.samples.scores[JUDGE]

    @classmethod
    def from_samples(cls, samples: Samples) -> "FittedSamples":
        """Fit on a half of the prompts, drawn by a hash of their ids."""
        fit_q = np.zeros(len(samples.ids), dtype=np.bool_)
        fit_q[hash_sample(samples.ids, len(samples.ids) // 2)] = True
        grades_qmo, design_qf = samples.scores[JUDGE], design(samples, fit_q)
        p_qm = one_sample_probability(np.nanmean(grades_qmo, axis=2), design_qf, fit_q)
        kappas = [
            fit_concentration(p_qm[fit_q, m], grades_qmo[fit_q, m]) for m in range(p_qm.shape[1])
        ]
        return cls(samples, fit_q, design_qf, p_qm, np.array(kappas))

    def chance_qm(self, selector: SelectorRun, n_samples: int) -> FloatArray:
        """Return the predicted P(model@n) of every model."""
        columns = [
            best_of_n_probability(self.p_qm[:, m], n_samples, float(kappa), float(odds))
            for m, (kappa, odds) in enumerate(zip(self.kappa_m, selector.odds_m, strict=True))
        ]
        return np.column_stack(columns)


def main() -> None:
    """Print one table for each model and selector, and the routing of all arms."""
    with threadpool_limits(1):
        fitted = FittedSamples.from_samples(read_samples(Path(sys.argv[1])))
        print_parameters(fitted)
        for selector in selectors(fitted):
            print_prediction(fitted, selector)
            if len(sys.argv) > 2:
                prices, models = load_prices(Path(sys.argv[2])), fitted.samples.models
                print_routing(fitted, selector, select_specs(prices, models, sys.argv[2]))


def one_sample_probability(
    share_qm: FloatArray, design_qf: FloatArray, fit_q: BoolArray
) -> FloatArray:
    """Predict the share right: the fit half out of fold, the other from all of it."""
    p_qm = np.empty_like(share_qm)
    p_qm[~fit_q] = _logistic(design_qf[fit_q], share_qm[fit_q]).predict(design_qf[~fit_q])
    rows = np.flatnonzero(fit_q)
    fold_n = np.random.default_rng(SEED).permutation(len(rows)) % N_FOLDS
    for fold in range(N_FOLDS):
        rest, held_out = rows[fold_n != fold], rows[fold_n == fold]
        p_qm[held_out] = _logistic(design_qf[rest], share_qm[rest]).predict(design_qf[held_out])
    return p_qm.clip(MIN_P, 1 - MIN_P)


def design(samples: Samples, fit_q: BoolArray) -> FloatArray:
    """Return embeddings and log text features, standardised over the fit half."""
    raw_qf = np.hstack(
        [Encoder().encode(samples.prompts), np.log1p(text_features(samples.prompts))]
    )
    spread_f = raw_qf[fit_q].std(axis=0)
    scaled_qf: FloatArray = (raw_qf - raw_qf[fit_q].mean(axis=0)) / np.where(
        spread_f > 0, spread_f, 1.0
    )
    return scaled_qf


def _logistic(design_qf: FloatArray, label_qm: FloatArray) -> LogisticBaseline:
    validation_q = np.random.default_rng(SEED).random(len(design_qf)) < 0.2
    return LogisticBaseline(TrainingSet(design_qf, label_qm), validation_q)


def selectors(fitted: FittedSamples) -> Iterator[SelectorRun]:
    """Yield every reward scorer and, with texts, the majority; none is the judge."""
    samples, fit_q, grades_qmo = fitted.samples, fitted.fit_q, fitted.grades_qmo
    columns = range(len(samples.models))
    for name, score_qmo in samples.scores.items():
        if name == JUDGE:
            continue
        check_judge(JUDGE, name)
        aucs = [within_question_auc(grades_qmo[fit_q, m], score_qmo[fit_q, m]) for m in columns]
        picked = {
            n: np.column_stack(
                [best_of_n_scores(grades_qmo[:, m], score_qmo[:, m], n) for m in columns]
            )
            for n in N_SAMPLES
        }
        yield SelectorRun(name, picked, np.array([auc / (1 - auc) for auc in aucs]))
    if samples.responses_qm is not None:
        yield majority_run(fitted, samples.responses_qm)


def majority_run(
    fitted: FittedSamples, responses_qm: tuple[tuple[tuple[str, ...], ...], ...]
) -> SelectorRun:
    """Return the majority of final answers, with the odds that give its mean on the fit half."""
    columns = range(len(fitted.samples.models))
    answers = [
        [
            [final_answer(reply, prompt) for reply in row[m]]
            for prompt, row in zip(fitted.samples.prompts, responses_qm, strict=True)
        ]
        for m in columns
    ]
    picked = {
        n: np.column_stack(
            [observed_majority(fitted.grades_qmo[:, m], answers[m], n, SEED) for m in columns]
        )
        for n in N_SAMPLES
    }
    odds = [effective_odds(fitted, picked, m) for m in columns]
    return SelectorRun(MAJORITY, picked, np.array(odds))


def effective_odds(fitted: FittedSamples, picked: dict[int, FloatArray], m: int) -> float:
    """Return the odds at which the formula gives the mean of the picks: majority has no AUC."""
    fit_q, kappa = fitted.fit_q, float(fitted.kappa_m[m])

    def loss(log_odds: float) -> float:
        gaps = [
            best_of_n_probability(fitted.p_qm[fit_q, m], n, kappa, float(np.exp(log_odds))).mean()
            - np.nanmean(picked_qm[fit_q, m])
            for n, picked_qm in picked.items()
            if n > 1
        ]
        return float(np.nansum(np.square(gaps)))

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 7), method="bounded").x))


def print_parameters(fitted: FittedSamples) -> None:
    """Print what was fitted, and how much of the outcome the probability tells."""
    fit_q, share_qm = fitted.fit_q, np.nanmean(fitted.grades_qmo, axis=2)
    n_samples = int((~np.isnan(fitted.grades_qmo)).sum(axis=2).max())
    print(
        f"### {sys.argv[1]}: {len(fit_q):,} prompts, up to {n_samples} samples, "
        f"{int(fit_q.sum()):,} prompts to fit, {int((~fit_q).sum()):,} held out\n\n"
        "| model | right, held out, % | kappa | correlation of p and share right, held out "
        "| prompts never right, % | always right, % |\n|---|---|---|---|---|---|"
    )
    for m, model in enumerate(fitted.samples.models):
        share_q = share_qm[~fit_q, m]
        correlation = np.corrcoef(fitted.p_qm[~fit_q, m], share_q)[0, 1]
        print(
            f"| {model} | {100 * share_q.mean():.1f} | {fitted.kappa_m[m]:.2f} "
            f"| {correlation:.2f} | {100 * (share_q == 0).mean():.0f} "
            f"| {100 * (share_q == 1).mean():.0f} |"
        )
    print()


def print_prediction(fitted: FittedSamples, selector: SelectorRun) -> None:
    """Print predicted and observed P(model@n) of every model on the held-out prompts."""
    held_out_q = ~fitted.fit_q
    weight_rq = bootstrap_weights(int(held_out_q.sum()), SEED)
    print(
        f"#### Selector {selector.name}, judge {JUDGE}: P(model@n) in %, held-out prompts\n\n"
        "| model@n | prompts | predicted | observed | predicted − observed | pass@n predicted "
        "| pass@n observed | independent samples | assumed κ = .5, AUC .6 |\n"
        f"|{'---|' * 9}"
    )
    for m, model in enumerate(fitted.samples.models):
        odds, p_q = float(selector.odds_m[m]), fitted.p_qm[held_out_q, m]
        picked = {n: picked_qm[held_out_q, m] for n, picked_qm in selector.picked.items()}
        grades_qo = fitted.grades_qmo[held_out_q, m]
        kappa = float(fitted.kappa_m[m])
        for row in compare_best_of_n(p_q, kappa, odds, grades_qo, picked, weight_rq):
            n = row.n_samples
            cells = [
                f"{Arm(model, n_samples=n)} | {row.n_questions}",
                f"{100 * row.predicted.value:.1f}",
                format_share(row.observed),
                format_points(row.difference),
                f"{100 * row.predicted_pass.value:.1f}",
                format_share(row.observed_pass),
                f"{100 * best_of_n_probability(p_q, n, np.inf, odds).mean():.1f}",
                f"{100 * best_of_n_probability(p_q, n, *ASSUMED).mean():.1f}",
            ]
            print(f"| {' | '.join(cells)} |")
        print(f"| {model}: odds {odds:.2f}, AUC {odds / (1 + odds):.2f} |{' |' * 8}")
    print()


def print_routing(
    fitted: FittedSamples, selector: SelectorRun, specs: tuple[ModelSpec, ...]
) -> None:
    """Print policies over all arms against always the best model with one sample."""
    section = routed(fitted, selector, specs)
    heads = " | ".join(f"drop at {100 * saving:.0f} % saved" for saving in SAVINGS)
    print(
        f"#### All {len(section.fixed_points)} arms against always {section.reference}, selector "
        f"{selector.name}, judge {JUDGE}: {section.n_questions:,} held-out prompts\n\n"
        f"| strategy | {heads} | gain over the hull at 40 % |\n|{'---|' * 6}"
    )
    for sweep in section.sweeps:
        cells = [format_share(point.drop) for point in sweep.at_savings]
        cells.append(format_points(sweep.at_savings[2].gain_over_hull))
        print(f"| {sweep.name} | {' | '.join(cells)} |")
    print("\n| arm | cost saved, % | drop, % | over the hull |\n|---|---|---|---|")
    for point in section.fixed_points:
        cells = [format_share(value) for value in (point.saving, point.drop)]
        print(f"| {point.name} | {' | '.join(cells)} | {format_points(point.gain_over_hull)} |")
    print()


def routed(
    fitted: FittedSamples, selector: SelectorRun, specs: tuple[ModelSpec, ...]
) -> AgainstReference:
    """Route the held-out prompts over all arms, by BEST-Route's rule and by ours."""
    fit_q, samples = fitted.fit_q, fitted.samples
    arms = tuple(str(Arm(spec.id, n_samples=n)) for n in N_ARMS for spec in specs)
    quality_qm = np.hstack([selector.picked[n] for n in N_ARMS])
    chance_qm = np.hstack([fitted.chance_qm(selector, n) for n in N_ARMS])
    tokens_qm = np.nanmean(samples.completion_tokens_qmo, axis=2)
    mean_qm = np.tile(np.nanmean(tokens_qm[fit_q], axis=0), (len(tokens_qm), 1))
    real_qm, planned_qm = (
        np.hstack([n * cost_usd(specs, samples.prompt_tokens_qm, out_qm) for n in N_ARMS])
        for out_qm in (tokens_qm, mean_qm)
    )
    reference = int(np.nanmean(quality_qm[fit_q, : len(specs)], axis=0).argmax())
    labels_qm = match_probability(quality_qm, reference)
    heads = _logistic(fitted.design_qf[fit_q], labels_qm[fit_q])
    known_q = ~fit_q & ~np.isnan(quality_qm + real_qm).any(axis=1)
    chance_qm, planned_qm = chance_qm[known_q], planned_qm[known_q]
    heads_qm = heads.predict(fitted.design_qf[known_q])
    match_qm = match_probability(chance_qm, reference)
    sweeps = {
        "BEST-Route, P ≥ τ": ("", threshold_choices(heads_qm, planned_qm, reference)),
        "ours, P(match) ≥ τ": ("", threshold_choices(match_qm, planned_qm, reference)),
        "ours, P − λ·cost": ("", LambdaSweep(chance_qm, planned_qm).choices()[:, ::-1]),
    }
    outcomes = ResampledOutcomes.from_outcomes(
        quality_qm[known_q], real_qm[known_q], bootstrap_weights(int(known_q.sum()), SEED)
    )
    return compare_with_reference(outcomes, arms, arms[reference], sweeps, {})


if __name__ == "__main__":
    main()
