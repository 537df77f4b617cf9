"""Best of n on drawn samples: predicted against observed, and policies over arms ``model@n``.

``python -m benchmarks.best_of_n SAMPLES [PRICES]`` with a file that `scope.samples` reads: several
graded samples (scorer ``correct``, the judge) of each model on each prompt. Half of the prompts,
by hash, fit everything: the probability of one sample (logistic regression on embedding and text
features; out of fold for the fits that build on it), what the samples of each model are worth
(`scope.arms.fit_resampling`) and the mean lengths. The other half is reported: for each n, and in
bins of the prediction for n = 5; beside it, the odds alone (Plackett-Luce) at which the fit half
has the right means. With prices the arms are routed, too: a prompt is billed n times, a selector
nothing. Intervals are 95 %, over 1,000 resamples of the prompts.
"""

import sys
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.best_of_n_fit import (
    JUDGE,
    FittedSamples,
    SelectorRun,
    logistic,
    odds_alone,
    selectors,
)
from benchmarks.leaderboard import SEED
from scope.arms import Arm, best_of_n_probability, resampled_probability
from scope.evaluation.best_of_n import compare_best_of_n
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.calibration_bins import equal_mass_bins
from scope.evaluation.formatting import format_points, format_share
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes
from scope.pool import ModelSpec, cost_usd
from scope.prices import load_prices, select_specs
from scope.samples import read_samples
from scope.saving.comparison import SAVINGS, AgainstReference, compare_with_reference
from scope.saving.routers import match_probability
from scope.saving.sweep import threshold_choices

N_RELIABILITY, N_BINS = 5, 6
N_ARMS = (1, 2, 3, 5)
ASSUMED = 0.5, 0.6 / 0.4
"""Concentration and odds of a bank without multi-sample data."""


def main() -> None:
    """Print one table for each model and selector, and the routing of all arms."""
    with threadpool_limits(1):
        fitted = FittedSamples.from_samples(read_samples(Path(sys.argv[1])))
        print_parameters(fitted)
        for selector in selectors(fitted):
            print_fits(selector)
            print_prediction(fitted, selector)
            print_reliability(fitted, selector)
            if len(sys.argv) > 2:
                prices, models = load_prices(Path(sys.argv[2])), fitted.samples.models
                print_routing(fitted, selector, select_specs(prices, models, sys.argv[2]))


def print_parameters(fitted: FittedSamples) -> None:
    """Print what was fitted, and how much of the outcome the probability tells."""
    fit_q, share_qm = fitted.fit_q, fitted.share_qm
    n_samples = int((~np.isnan(fitted.grades_qmo)).sum(axis=2).max())
    print(
        f"### {sys.argv[1]}: {len(fit_q):,} prompts, up to {n_samples} samples, "
        f"{int(fit_q.sum()):,} prompts to fit, {int((~fit_q).sum()):,} held out\n\n"
        "| model | right, held out, % | correlation of p and share right, held out "
        "| prompts never right, % | always right, % |\n|---|---|---|---|---|"
    )
    for m, model in enumerate(fitted.samples.models):
        known_q = ~fit_q & ~np.isnan(share_qm[:, m])
        share_q = share_qm[known_q, m]
        correlation = np.corrcoef(fitted.p_qm[known_q, m], share_q)[0, 1]
        print(
            f"| {model} | {100 * share_q.mean():.1f} "
            f"| {correlation:.2f} | {100 * (share_q == 0).mean():.0f} "
            f"| {100 * (share_q == 1).mean():.0f} |"
        )
    print()


def print_fits(selector: SelectorRun) -> None:
    """Print what was fitted, with 95 % intervals."""
    print(f"#### Selector {selector.name}, fit half\n")
    headers = selector.fits[0].headers
    print(f"| {' | '.join(headers)} |\n|{'---|' * len(headers)}")
    for fit in selector.fits:
        print(f"| {' | '.join(fit.cells())} |")
    print()


def print_prediction(fitted: FittedSamples, selector: SelectorRun) -> None:
    """Print predicted and observed P(model@n) of every model on the held-out prompts."""
    held_out_q = ~fitted.fit_q
    weight_rq = bootstrap_weights(int(held_out_q.sum()), SEED)
    print(
        f"#### Selector {selector.name}, judge {JUDGE}: P(model@n) in %, held-out prompts\n\n"
        "| model@n | prompts | observed | predicted | predicted − observed | odds alone "
        "| odds alone − observed | pass@n predicted | pass@n observed | assumed κ = .5, AUC .6 |\n"
        f"|{'---|' * 10}"
    )
    for m, model in enumerate(fitted.samples.models):
        p_q, grades_qo = fitted.p_qm[held_out_q, m], fitted.grades_qmo[held_out_q, m]
        picked = {n: picked_qm[held_out_q, m] for n, picked_qm in selector.picked.items()}
        rows, rows_alone = (
            compare_best_of_n(p_q, resampling, grades_qo, picked, weight_rq)
            for resampling in (selector.fits[m].resampling, odds_alone(fitted, selector, m))
        )
        for row, alone in zip(rows, rows_alone, strict=True):
            n = row.n_samples
            cells = [
                f"{Arm(model, n_samples=n)} | {row.n_questions}",
                format_share(row.observed),
                f"{100 * row.predicted.value:.1f}",
                format_points(row.difference),
                f"{100 * alone.predicted.value:.1f}",
                format_points(alone.difference),
                f"{100 * row.predicted_pass.value:.1f}",
                format_share(row.observed_pass),
                f"{100 * best_of_n_probability(p_q, n, *ASSUMED).mean():.1f}",
            ]
            print(f"| {' | '.join(cells)} |")
    print()


def print_reliability(fitted: FittedSamples, selector: SelectorRun) -> None:
    """Print predicted and observed P(model@n) in bins of the prediction, held-out prompts."""
    n = N_RELIABILITY
    print(
        f"#### Reliability of P(model@{n}) in %, selector {selector.name}, held-out prompts\n\n"
        "| model | prompts | predicted | observed | predicted − observed "
        f"| the same for one sample |\n|{'---|' * 6}"
    )
    for m, model in enumerate(fitted.samples.models):
        picked_q = selector.picked[n][:, m]
        rows_q = ~fitted.fit_q & ~np.isnan(picked_q)
        observed_q, share_q = picked_q[rows_q], fitted.share_qm[rows_q, m]
        p_q = fitted.p_qm[rows_q, m]
        predicted_q = resampled_probability(p_q, n, selector.fits[m].resampling)
        bin_q = equal_mass_bins(predicted_q, N_BINS)
        for h in range(bin_q.max() + 1):
            in_q = bin_q == h
            weight_rq = bootstrap_weights(int(in_q.sum()), SEED)
            observed, gap, gap_one = (
                Interval.from_replicates(weight_rq @ value_q[in_q])
                for value_q in (observed_q, predicted_q - observed_q, p_q - share_q)
            )
            print(
                f"| {model} | {in_q.sum()} | {100 * predicted_q[in_q].mean():.1f} "
                f"| {format_share(observed)} | {format_points(gap)} | {format_points(gap_one)} |"
            )
    print()


def print_routing(
    fitted: FittedSamples, selector: SelectorRun, specs: tuple[ModelSpec, ...]
) -> None:
    """Print policies over all arms against always the best model with one sample."""
    section = routed(fitted, selector, specs)
    print(
        f"#### All {len(section.fixed_points)} arms against always {section.reference}, selector "
        f"{selector.name}, judge {JUDGE}: {section.n_questions:,} held-out prompts\n"
    )
    print_section(section)


def print_section(section: AgainstReference) -> None:
    """Print the strategies where they save a share of the cost, and every static arm."""
    heads = " | ".join(f"drop at {100 * saving:.0f} % saved" for saving in SAVINGS)
    print(f"| strategy | {heads} | gain over the hull at 40 % |\n|{'---|' * 6}")
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
    heads = logistic(fitted.design_qf[fit_q], labels_qm[fit_q])
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
