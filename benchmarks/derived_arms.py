"""Arms that a bank derives from one sample: predicted against observed, and routed.

``python -m benchmarks.derived_arms SAMPLES PRICES [OUTPUT]`` with graded samples (scorer
``correct``) and texts. A third of the prompts, by hash, are the anchors of a bank, with one sample
each, as banks have them; a third fit what several samples are worth, as ``scope bank
fit-samples`` does; the last third is reported: P(model@n) by bins and by n, and policies over
all arms against always the arm that is predicted best. A majority selects, the grades judge.
Intervals are 95 %, over 1,000 resamples of the prompts. With OUTPUT the bank of
single samples, the samples to fit and the reported questions are written, for the commands.
"""

import json
import sys
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.best_of_n import print_section
from benchmarks.best_of_n_fit import N_SAMPLES, majority_picks
from benchmarks.leaderboard import SEED
from pipelines.bank import save_bank_now
from pipelines.bank.fit_samples import MAJORITY, fit_samples
from scope.arms import Arm, ArmColumns
from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.embedding import text_features
from scope.embedding.encoder import Encoder
from scope.evaluation import bootstrap_weights, format_points, format_share
from scope.evaluation.bootstrap import Interval
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes
from scope.outcomes import Outcomes
from scope.predictions import Estimates
from scope.predictor import AnchorPredictor, fit_bank
from scope.prices import load_prices, select_specs
from scope.samples import Samples, read_samples, take, write_samples
from scope.sampling import hash_sample
from scope.saving.comparison import compare_with_reference

N_ARMS = (1, 2, 3, 5)
N_BINS = 5


def main() -> None:
    """Print the tables."""
    samples = read_samples(Path(sys.argv[1]))
    anchors, fitting, reported = thirds(samples)
    with threadpool_limits(1):
        bank = fit_bank(bank_of(take(samples, rows=anchors), Path(sys.argv[2])))
        fit = fit_samples(bank, take(samples, rows=fitting), MAJORITY, assume=False)
    test = take(samples, rows=reported)
    print(
        f"### {sys.argv[1]}: {len(anchors):,} anchors, {len(fitting):,} prompts to fit, "
        f"{len(reported):,} reported\n"
    )
    for one in fit.fits:
        print("| " + " | ".join(one.cells()) + " |")
    observed = majority_picks(test)
    with threadpool_limits(1):
        estimates = predicted(fit.bank, test)
    print_numbers(fit.bank, estimates, observed)
    print_bins(fit.bank, estimates, observed)
    print_routing(fit.bank, estimates, test, observed)
    if len(sys.argv) > 3:
        write(bank, take(samples, rows=fitting), test, Path(sys.argv[3]))


def thirds(samples: Samples) -> tuple[list[int], list[int], list[int]]:
    """Return the rows of anchors, of prompts to fit and of prompts to report, by hash of the id."""
    n = len(samples.ids) // 3
    anchors, two = (set(hash_sample(samples.ids, k * n)) for k in (1, 2))
    rest = set(range(len(samples.ids))) - two
    return sorted(anchors), sorted(two - anchors), sorted(rest)


def bank_of(samples: Samples, prices: Path) -> Bank:
    """Return a bank with the first sample of each prompt."""
    encoder = Encoder()
    correct_qm = samples.scores["correct"][:, :, 0]
    return Bank(
        ids=samples.ids,
        categories=("",) * len(samples.ids),
        prompts=samples.prompts,
        gold_answers=(None,) * len(samples.ids),
        embedding_ad=encoder.encode(samples.prompts),
        features_af=text_features(samples.prompts).astype(np.float64),
        models=select_specs(load_prices(prices), samples.models, str(prices)),
        outcomes=Outcomes(
            samples.models,
            correct_qm,
            samples.prompt_tokens_qm,
            samples.completion_tokens_qmo[:, :, 0],
        ),
        embedder=encoder.spec,
    )


def predicted(bank: Bank, test: Samples) -> Estimates:
    """Return the bank's estimates of one sample of each model."""
    estimates, _ = AnchorPredictor(bank).predict(
        Encoder().encode(test.prompts), text_features(test.prompts)
    )
    return estimates


def arms_of(bank: Bank, sizes: tuple[int, ...]) -> ArmColumns:
    """Return all models with each number of samples."""
    names = [str(Arm(model, n_samples=n)) for n in sizes for model in bank.model_ids]
    return ArmColumns.resolve(names, bank.models, "the bank")


def print_numbers(bank: Bank, estimates: Estimates, observed: dict[int, FloatArray]) -> None:
    """Print predicted and observed P(model@n)."""
    print("\n| arm | prompts | predicted, % | observed, % | difference |\n|---|---|---|---|---|")
    for n in N_SAMPLES:
        arms = arms_of(bank, (n,))
        p_qm = arms.p_correct(estimates.p_correct_qm)
        for m, name in enumerate(arms.model_ids):
            known_q = ~np.isnan(observed[n][:, m])
            row = means(p_qm[known_q, m], observed[n][known_q, m])
            cells = [f"{100 * row[0].value:.1f}", format_share(row[1]), format_points(row[2])]
            print(f"| `{name}` | {known_q.sum()} | {' | '.join(cells)} |")


def print_bins(bank: Bank, estimates: Estimates, observed: dict[int, FloatArray]) -> None:
    """Print predicted against observed in fifths of the prompts, from least to most likely."""
    print("\n| arm | " + " | ".join(f"fifth {b + 1}" for b in range(N_BINS)) + " |")
    print(f"|---|{'---|' * N_BINS}")
    arms = arms_of(bank, (5,))
    p_qm = arms.p_correct(estimates.p_correct_qm)
    for m, name in enumerate(arms.model_ids):
        known = np.flatnonzero(~np.isnan(observed[5][:, m]))
        order = known[np.argsort(p_qm[known, m], kind="stable")]
        cells = []
        for rows in np.array_split(order, N_BINS):
            row = means(p_qm[rows, m], observed[5][rows, m])
            cells.append(f"{100 * row[0].value:.0f} → {format_share(row[1])}")
        print(f"| `{name}` | {' | '.join(cells)} |")


def means(p_q: FloatArray, observed_q: FloatArray) -> tuple[Interval, Interval, Interval]:
    """Return the means of prediction, observation and their difference."""
    weight_rq = bootstrap_weights(len(p_q), SEED)
    weight_rq = weight_rq / weight_rq.sum(axis=1, keepdims=True)
    columns = (p_q, observed_q, p_q - observed_q)
    low, mid, high = (Interval.from_replicates(weight_rq @ value_q) for value_q in columns)
    return low, mid, high


def print_routing(
    bank: Bank, estimates: Estimates, test: Samples, observed: dict[int, FloatArray]
) -> None:
    """Print policies over the derived arms and over one sample, against the best arm."""
    arms = arms_of(bank, N_ARMS)
    planned = arms.estimates(estimates)
    quality_qm = np.hstack([observed[n] for n in N_ARMS])
    real = [
        arm.cost_usd(
            n * test.prompt_tokens_qm[:, m],
            n * np.nanmean(test.completion_tokens_qmo[:, m], axis=1),
        )
        for arm, m, n in zip(arms.models, arms.columns, arms.n_samples, strict=True)
    ]
    cost_qm = np.column_stack(real)
    known = np.flatnonzero(np.isfinite(quality_qm + cost_qm).all(axis=1))
    singles = [m for m, n in enumerate(arms.n_samples) if n == 1]
    reference = int(planned.p_correct_qm.mean(axis=0).argmax())
    sweeps = {
        name: ("", choices_of(planned.select_questions(known), columns))
        for name, columns in (
            ("P − λ·cost, all arms", list(range(len(arms.models)))),
            ("P − λ·cost, one sample", singles),
        )
    }
    outcomes = ResampledOutcomes.from_outcomes(
        quality_qm[known], cost_qm[known], bootstrap_weights(len(known), SEED)
    )
    section = compare_with_reference(
        outcomes, arms.model_ids, arms.model_ids[reference], sweeps, {}
    )
    print()
    print_section(section)


def choices_of(planned: Estimates, columns: list[int]) -> IntArray:
    """Return the choices along lambda among some of the arms, as indices among all."""
    some = planned.select_models(columns)
    choices_qs = LambdaSweep(some.p_correct_qm, some.cost_usd_qm).choices()[:, ::-1]
    chosen_qs: IntArray = np.array(columns)[choices_qs]
    return chosen_qs


def write(bank: Bank, fitting: Samples, test: Samples, output: Path) -> None:
    """Write what the commands read."""
    output.mkdir(parents=True)
    write_samples(output / "samples.parquet", fitting)
    save_bank_now(bank, output / "bank", ("one sample of each easy question",), command="python")
    rows = zip(test.ids, test.prompts, strict=True)
    lines = [json.dumps({"id": name, "prompt": prompt}) for name, prompt in rows]
    (output / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
