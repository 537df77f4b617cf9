"""What a sample of traffic teaches a bank: held-out log loss by how its questions are chosen.

The bank knows 600 questions of six subjects of MMLU-Pro. Traffic asks all its subjects and those of
ZeroEval: subjects by Zipf's law, in another order in each draw, and within a subject questions
by Zipf's law. Of 3,000 requests some are chosen, their outcomes join the bank, and the next 1,500
requests are predicted. ``python -m benchmarks.traffic_sample DATA [N_DRAWS]``.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.banks import data_folder, questions
from benchmarks.guards import _losses
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.arrays import FloatArray, IntArray
from scope.bank.bank import Bank
from scope.outcomes import VALUE_COLUMNS, Outcomes
from scope.predictor.cross_validation import choose_forecast
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import fit_bank
from scope.traffic import TrafficQuestion, sample_traffic

KNOWN = ("business", "economics", "history", "law", "philosophy", "psychology")
N_ANCHORS, N_SEEN, N_HELD_OUT = 600, 3_000, 1_500
SIZES = (100, 300)

Chooser = Callable[[Bank, Bank, IntArray, int], IntArray]


def main() -> None:
    """Print a row of a Markdown table for each number of chosen questions."""
    os.environ["SCOPE_DATA"] = sys.argv[1] if len(sys.argv) > 1 else ""
    data = data_folder()
    if data is None:
        return
    n_draws = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    sets = [load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)]
    sets += [questions(data, "zeroeval", split) for split in ("train", "val")]
    models = tuple(m for m in sets[0].model_ids if m in sets[2].model_ids)
    everything = _joined(*(each.select_models(models) for each in sets))
    loss_dnc = np.array([_draw(everything, seed) for seed in range(n_draws)])
    print(f"\n{len(models)} models, {n_draws} draws; log loss without the sample: ", end="")
    print(f"{loss_dnc[:, 0, 0].mean():.4f}\n")
    print("| chosen | " + " | ".join(CHOOSERS) + " |")
    print("|---" * (1 + len(CHOOSERS)) + "|")
    for row, size in enumerate(SIZES, start=1):
        change_dc = loss_dnc[:, row] - loss_dnc[:, 0]
        print(f"| {size} | " + " | ".join(map(_interval, change_dc.T)) + " |")
    print("\nours minus " + ", ours minus ".join(list(CHOOSERS)[1:]))
    for row, size in enumerate(SIZES, start=1):
        change_dc = loss_dnc[:, row, :1] - loss_dnc[:, row, 1:]
        print(f"| {size} | " + " | ".join(map(_interval, change_dc.T)) + " |")


def _draw(everything: Bank, seed: int) -> FloatArray:
    """Return the held-out log loss, first without a sample; sizes x choosers."""
    rng = np.random.default_rng(seed)
    category_q = np.array(everything.categories)
    known = rng.permutation(np.flatnonzero(np.isin(category_q, KNOWN)))[:N_ANCHORS]
    weight_q = _popularity(category_q, rng)
    weight_q[known] = 0
    seen = rng.choice(len(weight_q), N_SEEN, p=weight_q / weight_q.sum())
    held_out = rng.choice(len(weight_q), N_HELD_OUT, p=weight_q / weight_q.sum())
    bank, test = everything.select_anchors(known), everything.select_anchors(held_out)
    asked, n_requests_q = np.unique(seen, return_counts=True)
    traffic = everything.select_anchors(asked)
    fitted = _fitted(bank)
    losses = [[float(_losses(fitted, test).mean())] * len(CHOOSERS)]
    for size in SIZES:
        chosen = [choose(fitted, traffic, n_requests_q, size) for choose in CHOOSERS.values()]
        grown = (_fitted(_joined(bank, traffic.select_anchors(rows))) for rows in chosen)
        losses.append([float(_losses(each, test).mean()) for each in grown])
    rows = "; ".join(" ".join(f"{loss:.4f}" for loss in row) for row in losses)
    print(f"draw {seed}: {len(asked):,} questions in {N_SEEN:,} requests; {rows}", flush=True)
    return np.array(losses)


def _popularity(category_q: np.ndarray, rng: np.random.Generator) -> FloatArray:
    weight_q = np.zeros(len(category_q))
    for rank, category in enumerate(rng.permutation(np.unique(category_q)), start=1):
        rows = rng.permutation(np.flatnonzero(category_q == category))
        share_r = 1 / np.arange(1, len(rows) + 1)
        weight_q[rows] = share_r / share_r.sum() / rank
    return weight_q


def _ours(bank: Bank, traffic: Bank, n_requests_q: IntArray, n: int) -> IntArray:
    asked = tuple(
        TrafficQuestion(name, name, int(count), None, True)
        for name, count in zip(traffic.ids, n_requests_q, strict=True)
    )
    return sample_traffic(asked, traffic.embedding_ad, bank, n).chosen_j


def _random(bank: Bank, traffic: Bank, n_requests_q: IntArray, n: int) -> IntArray:
    rng = np.random.default_rng(len(traffic.ids))
    share_q = n_requests_q / n_requests_q.sum()
    return rng.choice(len(share_q), n, replace=False, p=share_q)


def _uncertain(bank: Bank, traffic: Bank, n_requests_q: IntArray, n: int) -> IntArray:
    estimates, _ = AnchorPredictor(bank).predict(traffic.embedding_ad, traffic.features_af)
    p_qm = estimates.p_correct_qm
    return np.argsort(-np.nanmean(p_qm * (1 - p_qm), axis=1), kind="stable")[:n]


def _frequent(bank: Bank, traffic: Bank, n_requests_q: IntArray, n: int) -> IntArray:
    return np.argsort(-n_requests_q, kind="stable")[:n]


CHOOSERS: dict[str, Chooser] = {
    "`scope bank sample`": _ours,
    "random requests": _random,
    "most frequent": _frequent,
    "most uncertain": _uncertain,
}


def _fitted(bank: Bank) -> Bank:
    return choose_forecast(fit_bank(bank))


def _joined(*banks: Bank) -> Bank:
    """Return the anchors of all banks, which have the same models, as one that is not fitted."""
    first = banks[0]
    columns = (
        np.concatenate([getattr(bank.outcomes, f"{name}_am") for bank in banks])
        for name in VALUE_COLUMNS
    )
    return replace(
        first,
        ids=sum((bank.ids for bank in banks), ()),
        categories=sum((bank.categories for bank in banks), ()),
        prompts=None,
        gold_answers=sum((bank.gold_answers for bank in banks), ()),
        embedding_ad=np.concatenate([bank.embedding_ad for bank in banks]),
        features_af=np.concatenate([bank.features_af for bank in banks]),
        outcomes=Outcomes(first.model_ids, *columns),
        reference=None,
        forecaster=None,
        choice=None,
        version="",
    )


def _interval(change_d: FloatArray) -> str:
    """Return the mean over the draws and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    rows_rd = rng.integers(len(change_d), size=(2_000, len(change_d)))
    low, high = np.quantile(change_d[rows_rd].mean(axis=1), (0.025, 0.975))
    return f"{change_d.mean():+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
