"""HybridLLM and BEST-Route on real single-sample outcomes: the tables of docs/learned-routers.md.

Everything is fitted on the training split and reported on the validation split, which is used
for no fit and no selection. One sample a cell: the labels are 1[small >= large], the best of n
samples is another benchmark. Data in $SCOPE_DATA as for `benchmarks.banks`, and ``alpaca_*``,
of which no text or embedding is kept. Intervals are 95 %, over 1,000 resamples of the questions.

Pairs, chosen on the training split: the large model is the best of the ten most expensive ones; the
small ones cost at most half of it and are nearest to a loss of 5, 15 and 40 % of its quality. The
pool is compared with its best model.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.banks import NAMES, data_folder, fitted_bank, questions
from benchmarks.leaderboard import SEED, text
from benchmarks.published_routers import print_published
from scope.arrays import FloatArray, IntArray
from scope.bank.bank import Bank
from scope.baselines.baselines import BaselineInputs
from scope.baselines.inputs import TrainingSet
from scope.baselines.logistic import LogisticBaseline
from scope.baselines.network import MLP, NetworkBaseline
from scope.embedding.encoder import Encoder
from scope.embedding.text_features import text_features
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.formatting import format_points, format_share
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes
from scope.evaluation.test_set import EvaluationSet
from scope.outcomes import Outcomes, read_outcomes_table
from scope.predictor.reference_population import fit_bank
from scope.prices import load_prices, select_specs
from scope.questions.questions import read_questions
from scope.report.evaluation import predict_test_set
from scope.routing.metrics import GroundTruth
from scope.sampling import hash_sample
from scope.saving.comparison import (
    SAVINGS,
    SHARES,
    AgainstReference,
    SweepRow,
    compare_with_reference,
)
from scope.saving.match_baselines import NClassBaseline, NLabelBaseline, match_labels
from scope.saving.routers import match_probability
from scope.saving.sweep import threshold_choices

GAPS = {"small": 0.05, "medium": 0.15, "large": 0.40}
"""Share of the large model's quality that the small one of a pair should lose."""
MAX_COST_SHARE = 0.5
N_EXPENSIVE = 10
TARGET_DROP = 0.01

Sweeps = dict[str, tuple[str, IntArray]]


@dataclass(frozen=True, slots=True)
class SplitData:
    """A bank fitted on the training split, and the validation questions for its models."""

    title: str
    bank: Bank
    test_set: EvaluationSet

    @property
    def train(self) -> GroundTruth:
        """Outcomes of the training split."""
        return GroundTruth.from_outcomes(self.bank.outcomes, self.bank.models)

    def select_models(self, models: tuple[str, ...]) -> "SplitData":
        """Return the data of some models; the forecaster stays the one fitted on all."""
        columns = [self.bank.model_ids.index(model) for model in models]
        truth = self.test_set.truth
        chosen = GroundTruth(truth.correct_qm[:, columns], truth.cost_usd_qm[:, columns])
        tokens_qm = self.test_set.completion_tokens_qm[:, columns]
        test_set = replace(self.test_set, truth=chosen, completion_tokens_qm=tokens_qm)
        return SplitData(self.title, self.bank.select_models(models), test_set)

    def outcomes(self) -> ResampledOutcomes:
        """Return the outcomes of the questions that have all, with bootstrap weights."""
        kept_q, truth = self.test_set.complete_q, self.test_set.truth
        weight_rq = bootstrap_weights(int(kept_q.sum()), SEED)
        return ResampledOutcomes.from_outcomes(
            truth.correct_qm[kept_q], truth.cost_usd_qm[kept_q], weight_rq
        )


def main() -> None:
    """Print the published tables, then pairs and whole pool of every data set at hand."""
    names = sys.argv[1:] or [*NAMES, "alpaca"]
    print_published()
    data = data_folder()
    if data is None:
        return
    with threadpool_limits(1):
        for name in names:
            loaded = load_alpaca(data) if name == "alpaca" else load_bank_data(data, name)
            print_pairs(loaded)
            print_pool(loaded)


def load_bank_data(data: Path, name: str) -> SplitData:
    """Return MMLU-Pro or ZeroEval."""
    bank = fitted_bank(data, name)
    test_set = EvaluationSet.from_banks(bank, questions(data, name, "val"))
    return SplitData(NAMES[name], bank, test_set)


def load_alpaca(data: Path) -> SplitData:
    """Return AlpacaEval, embedded in memory: quality is a preference in [0, 1]."""
    encoder = Encoder()
    train, val = (alpaca_bank(data, split, encoder) for split in ("train", "val"))
    bank = fit_bank(train)
    return SplitData("AlpacaEval 2", bank, EvaluationSet.from_banks(bank, val))


def alpaca_bank(data: Path, split: str, encoder: Encoder) -> Bank:
    """Build a split as a bank without texts, in memory."""
    read = read_questions(data / "alpaca_questions.parquet", split=split)
    rows = read_outcomes_table(data / "alpaca_outcomes.parquet")
    names = tuple(sorted(set(rows["model"].to_pylist())))
    prices = data / "alpaca_prices.json"
    return Bank(
        ids=read.ids,
        categories=read.categories,
        prompts=None,
        gold_answers=(None,) * len(read),
        embedding_ad=encoder.encode(read.prompts),
        features_af=text_features(read.prompts),
        models=select_specs(load_prices(prices), names, str(prices)),
        outcomes=Outcomes.from_table(rows, read.ids, names, "alpaca"),
        embedder=encoder.spec,
    )


def best_model(data: SplitData) -> int:
    """Return the column of the model with the highest quality on the training split."""
    return int(np.nanmean(data.train.correct_qm, axis=0).argmax())


def choose_pairs(data: SplitData) -> Iterator[tuple[str, tuple[str, str], float]]:
    """Yield the size of the gap, small and large model, and the gap on the training split."""
    quality_m = np.nanmean(data.train.correct_qm, axis=0)
    usd_m = np.nanmean(data.train.cost_usd_qm, axis=0)
    expensive_m = usd_m >= np.sort(usd_m)[-N_EXPENSIVE]
    large = int(np.where(expensive_m, quality_m, -np.inf).argmax())
    gap_m = 1 - quality_m / quality_m[large]
    cheap_m = usd_m <= MAX_COST_SHARE * usd_m[large]
    for size, target in GAPS.items():
        small = int(np.where(cheap_m, np.abs(gap_m - target), np.inf).argmin())
        cheap_m[small] = False
        names = data.bank.model_ids[small], data.bank.model_ids[large]
        yield size, names, float(gap_m[small])


def print_pairs(data: SplitData) -> None:
    """Print one table for each pair, and the thresholds calibrated for a drop of 1 %."""
    calibrated: list[str] = []
    for size, pair, gap in choose_pairs(data):
        two = data.select_models(pair)
        sweeps = pair_sweeps(two)
        section = compare_with_reference(two.outcomes(), pair, pair[1], sweeps, {})
        print(
            f"### {data.title}, {size} gap: {pair[0]} → {pair[1]}, {100 * gap:.0f} % on "
            f"{len(two.bank.ids):,} training questions; {section.n_questions:,} validation "
            "questions\n"
        )
        print_pair(section)
        calibrated += calibrated_rows(two, f"{data.title}, {size}", sweeps)
    print(
        f"### {data.title}: thresholds for a drop of {100 * TARGET_DROP:.0f} %, calibrated on one "
        "half of the validation questions (by hash of the id), measured on the other\n"
    )
    print("| pair | strategy | drop, % | small, % of questions | cost saved, % |")
    print("|---|---|---|---|---|", *calibrated, "", sep="\n")


def pair_sweeps(two: SplitData) -> Sweeps:
    """Return the choices of every method for a small and a large model."""
    inputs = BaselineInputs.from_banks(two.bank, two.test_set, SEED)
    kept_q, labels = two.test_set.complete_q, pair_labels(inputs.training.correct_am)
    design_qf = inputs.design_qf[kept_q]
    mean_usd_m = np.nanmean(two.train.cost_usd_qm, axis=0)
    usd_qm = np.tile(mean_usd_m, (len(design_qf), 1))
    sweeps: Sweeps = {}
    for label, match_am in labels.items():
        training = TrainingSet(inputs.training.design_af, match_am)
        logistic = LogisticBaseline(training, inputs.validation_a)
        network = NetworkBaseline(training, inputs.validation_a, MLP, SEED)
        for head, fit in (("logistic head", logistic), ("MLP head", network)):
            choices_qg = threshold_choices(fit.predict(design_qf), usd_qm, 1)
            sweeps[f"HybridLLM {label}, {head}"] = "", choices_qg
    for name, bank in {"ours": two.bank, "ours, fitted on the pair": fit_bank(two.bank)}.items():
        ours = predict_test_set(bank, two.test_set).estimates.select_questions(kept_q)
        match_qm = match_probability(ours.p_correct_qm, 1)
        sweeps[f"{name}, P(match) ≥ τ"] = "", threshold_choices(match_qm, ours.cost_usd_qm, 1)
        trade_off = LambdaSweep(ours.p_correct_qm, ours.cost_usd_qm)
        sweeps[f"{name}, P − λ·cost"] = "", trade_off.choices()[:, ::-1]
    return sweeps


def pair_labels(quality_am: FloatArray) -> dict[str, FloatArray]:
    """Return the labels of HybridLLM: det, and for soft qualities prob and trans.

    A preference is the success rate of the sample it was judged from: prob is the chance that a
    draw of the small model is at least as good as one of the large. For one sample each, t* is
    the median of the gap.
    """
    det_am = match_labels(quality_am, 1)
    known_am = quality_am[~np.isnan(quality_am)]
    if np.isin(known_am, (0.0, 1.0)).all():
        return {"det": det_am}
    margin = max(0.0, float(np.nanmedian(quality_am[:, 1] - quality_am[:, 0])))
    shifted_am = quality_am + np.array([margin, 0.0])
    return {
        "det": det_am,
        "prob": match_probability(quality_am, 1),
        "trans": match_labels(shifted_am, 1),
    }


def print_pair(section: AgainstReference) -> None:
    """Print the drop by cost saved and by share of questions, and the gain over random."""
    small = section.fixed_points[0]
    shown = (1, 2)
    print(
        "| strategy | "
        + " | ".join(f"drop at {100 * SAVINGS[at]:.0f} % saved" for at in shown)
        + " | "
        + " | ".join(f"at {100 * share:.0f} % small" for share in SHARES)
        + f" | gain over random at {100 * SHARES[-1]:.0f} % small |\n|{'---|' * 7}"
    )
    for row in section.sweeps:
        if not row.at_shares:
            continue
        cells = [text(row.at_savings[at].drop, 100, 1) for at in shown]
        cells += [text(point.drop, 100, 1) for point in row.at_shares]
        cells.append(text(row.at_shares[-1].gain_over_random, 100, 1, sign=True))
        print(f"| {row.name} | {' | '.join(cells)} |")
    print(
        f"\nAlways the small model: drop {text(small.drop, 100, 1)} %, "
        f"{text(small.saving, 100, 1)} % saved; always the large: 0, 0.\n"
    )


def calibrated_rows(two: SplitData, where: str, sweeps: Sweeps) -> Iterator[str]:
    """Yield a row for each method at the setting with the largest share within the target drop."""
    kept_q, truth = two.test_set.complete_q, two.test_set.truth
    quality_qm, usd_qm = truth.correct_qm[kept_q], truth.cost_usd_qm[kept_q]
    ids = [two.test_set.ids[q] for q in np.flatnonzero(kept_q)]
    half_q = np.zeros(len(ids), dtype=np.bool_)
    half_q[hash_sample(ids, len(ids) // 2)] = True
    for name, (_, choices_qg) in sweeps.items():
        away_g = (choices_qg[half_q] == 0).mean(axis=0)
        quality_g = np.take_along_axis(quality_qm[half_q], choices_qg[half_q], axis=1).mean(axis=0)
        allowed_g = quality_g >= (1 - TARGET_DROP) * quality_qm[half_q, 1].mean()
        if not allowed_g.any():
            yield f"| {where} | {name} | – | 0 | 0 |"
            continue
        best = int(np.where(allowed_g, away_g, -1.0).argmax())
        rest = ResampledOutcomes.from_outcomes(
            quality_qm[~half_q], usd_qm[~half_q], bootstrap_weights(int((~half_q).sum()), SEED)
        )
        chosen = {"it": ("", choices_qg[~half_q, best])}
        section = compare_with_reference(rest, ("small", "large"), "large", {}, chosen)
        row = section.fixed_points[0]
        share = 100 * (choices_qg[~half_q, best] == 0).mean()
        drop, saving = format_share(row.drop), format_share(row.saving)
        yield f"| {where} | {name} | {drop} | {share:.0f} | {saving} |"


def print_pool(data: SplitData) -> None:
    """Print BEST-Route's rule over all models, ours and the hull, against the best model."""
    reference = best_model(data)
    sweeps, fixed = pool_sweeps(data, reference)
    names = data.bank.model_ids
    section = compare_with_reference(data.outcomes(), names, names[reference], sweeps, fixed)
    print(
        f"### {data.title}, all {len(names)} models against always {names[reference]}: "
        f"{len(data.bank.ids):,} training questions, {section.n_questions:,} validation "
        "questions\n"
    )
    heads = " | ".join(f"drop at {100 * saving:.0f} % saved" for saving in SAVINGS)
    print(f"| strategy | {heads} | gap recovered at 60 % | gain over the hull at 40 %, 60 % |")
    print(f"|{'---|' * 7}")
    for row in section.sweeps:
        print(pool_row(row))
    single = {row.name: row for row in section.fixed_points}
    for one in (single["N-class"], single[section.smallest]):
        print(
            f"\n{one.name}: drop {format_share(one.drop)} %, {format_share(one.saving)} % saved, "
            f"over the hull {format_points(one.gain_over_hull)}."
        )
    print()


def pool_row(row: SweepRow) -> str:
    """Return the row of one router over a whole pool."""
    cells = [text(point.drop, 100, 1) for point in row.at_savings]
    cells.append(text(row.at_savings[-1].gap_recovered, 100, 0))
    gains = [text(point.gain_over_hull, 100, 1, sign=True) for point in row.at_savings[2:]]
    return f"| {row.name} | {' | '.join([*cells, ', '.join(gains)])} |"


def pool_sweeps(data: SplitData, reference: int) -> tuple[Sweeps, Sweeps]:
    """Return the choices of routers over all models, and those of N-class."""
    inputs = BaselineInputs.from_banks(data.bank, data.test_set, SEED)
    kept_q = data.test_set.complete_q
    design_qf = inputs.design_qf[kept_q]
    mean_usd_m = np.nanmean(data.train.cost_usd_qm, axis=0)
    usd_qm = np.tile(mean_usd_m, (len(design_qf), 1))
    labels_am = match_labels(inputs.training.correct_am, reference)
    n_label = NLabelBaseline(inputs.training, inputs.validation_a, reference)
    training = TrainingSet(inputs.training.design_af, labels_am)
    network = NetworkBaseline(training, inputs.validation_a, MLP, SEED)
    network_qm = network.predict(design_qf)
    network_qm[:, reference] = 1.0
    heads = {"logistic heads": n_label.predict(design_qf), "MLP heads": network_qm}
    sweeps: Sweeps = {}
    for head, p_qm in heads.items():
        sweeps[f"BEST-Route (N-label), {head}, P ≥ τ"] = (
            "",
            threshold_choices(p_qm, usd_qm, reference),
        )
        trade_off = LambdaSweep(p_qm, usd_qm)
        sweeps[f"the same heads, {head}, P − λ·cost"] = "", trade_off.choices()[:, ::-1]
    ours = predict_test_set(data.bank, data.test_set).estimates.select_questions(kept_q)
    match_qm = match_probability(ours.p_correct_qm, reference)
    sweeps["ours, P(match) ≥ τ"] = "", threshold_choices(match_qm, ours.cost_usd_qm, reference)
    trade_off = LambdaSweep(ours.p_correct_qm, ours.cost_usd_qm)
    sweeps["ours, P − λ·cost"] = "", trade_off.choices()[:, ::-1]
    n_class = NClassBaseline(inputs.training, mean_usd_m, n_label.strength)
    return sweeps, {"N-class": ("", n_class.choose(design_qf))}


if __name__ == "__main__":
    main()
