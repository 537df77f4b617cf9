"""A bank grown by feedback: how well it predicts and routes the next 2,000 requests.

``python -m benchmarks.grown_bank FOLDER N_DRAWS`` takes MMLU-Pro: an old bank of 500 anchors
decides 2,000 requests at alpha .6, each answer of the chosen model is scored, and the bank grows
by these scores alone. ``FOLDER/mmlupro_questions.parquet`` has the texts of the embedded bank's
questions. Beside it stand the old bank, and the old bank with fully measured requests: as many
as the same number of calls buys, and all of them. In the second part requests are of subjects
that the old bank does not have. Each draw has other anchors; intervals are 95 % of the
mean over draws.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from scope import EMBEDDED_BANK, load_bank
from scope.arrays import FloatArray, IntArray
from scope.bank.bank import Bank
from scope.bank.reference_population import fit_alpha_scale
from scope.evaluation.strategies import LambdaSweep, RandomMixtures, ResampledOutcomes
from scope.predictions import MIN_P
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import fit_bank
from scope.routing.metrics import GroundTruth
from scope.routing.route import Objective
from scope.traffic.grown_bank import NewQuestion, grow_bank

N_OLD, N_TRAFFIC, ALPHA = 500, 2_000, 0.6
POOL = (
    "Llama-3-8B-Instruct",
    "Mistral-7B-Instruct-v0.2",
    "gemini-1.5-flash-002",
    "gemini-1.5-pro-002",
    "gpt-4o-2024-05-13",
)
NEW_SUBJECTS = ("math", "physics", "chemistry", "law", "psychology", "history", "other")
METRICS = ("log loss", "AUC", "gain over mixes", "accuracy", "USD per 1k")


def main() -> None:
    """Print a table for each pool and kind of traffic."""
    folder, n_draws = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    whole = _with_texts(load_bank(EMBEDDED_BANK), folder)
    for pool, bank in (("5 models", whole.select_models(POOL)), ("17 models", whole)):
        for shifted in (False, True):
            scores: dict[str, list[list[float]]] = {}
            for seed in range(n_draws):
                for name, grown, held_out in _banks(bank, seed, shifted=shifted):
                    scores.setdefault(name, []).append(_score(grown, held_out))
            traffic = "new subjects" if shifted else "the bank's subjects"
            _print(f"{pool}, {traffic}, {n_draws} draws", scores)


def _with_texts(bank: Bank, folder: Path) -> Bank:
    """Return the bank, not fitted, with the texts of its questions."""
    rows = pq.read_table(folder / "mmlupro_questions.parquet", columns=["question_id", "prompt"])
    text_of = dict(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))
    bank = replace(bank, prompts=tuple(text_of[name] for name in bank.ids))
    return bank.select_anchors(np.arange(len(bank.ids)))


def _banks(whole: Bank, seed: int, *, shifted: bool) -> Iterator[tuple[str, Bank, Bank]]:
    """Yield the banks of one draw, fitted, each with the held-out questions."""
    order = np.random.default_rng(seed).permutation(len(whole.ids))
    is_new = np.isin(whole.categories, NEW_SUBJECTS)[order]
    old_n, next_n = (order[~is_new], order[is_new]) if shifted else (order, order[N_OLD:])
    old = fit_bank(whole.select_anchors(old_n[:N_OLD]))
    traffic, held_out = (
        whole.select_anchors(next_n[start : start + N_TRAFFIC]) for start in (0, N_TRAFFIC)
    )
    chosen_q = _choices(old, traffic)
    yield "old bank", old, held_out
    yield "grown by feedback", fit_bank(_grown(old, traffic, chosen_q[:, None])), held_out
    every = np.tile(np.arange(len(whole.models)), (N_TRAFFIC, 1))
    n_calls = N_TRAFFIC // len(whole.models)
    for name, n in (("as many calls measured", n_calls), ("all of them measured", N_TRAFFIC)):
        part = traffic.select_anchors(np.arange(n))
        yield name, fit_bank(_grown(old, part, every[:n])), held_out


def _choices(bank: Bank, questions: Bank) -> IntArray:
    """Return the model of each question at `ALPHA`."""
    estimates, _ = AnchorPredictor(bank).predict(questions.embedding_ad, questions.features_af)
    policy = Objective(alpha=ALPHA).policy(fit_alpha_scale(bank.reference, bank.models))
    return policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm).model_q


def _grown(old: Bank, traffic: Bank, model_qj: IntArray) -> Bank:
    """Return the old bank with the outcomes of some models on each question."""
    values = traffic.outcomes
    questions = [
        NewQuestion(
            traffic.ids[q],
            traffic.require_prompts()[q],
            {
                values.models[m]: (
                    float(values.correct_am[q, m]),
                    float(values.prompt_tokens_am[q, m]),
                    float(values.completion_tokens_am[q, m]),
                )
                for m in models
            },
        )
        for q, models in enumerate(model_qj.tolist())
    ]
    return grow_bank(old, questions, traffic.embedding_ad).bank


def _score(bank: Bank, held_out: Bank) -> list[float]:
    """Return the numbers of `METRICS` on held-out questions."""
    estimates, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
    p_qm, cost_qm = estimates.p_correct_qm.clip(MIN_P, 1 - MIN_P), estimates.cost_usd_qm
    correct_qm = held_out.outcomes.correct_am
    loss_qm = -(correct_qm * np.log(p_qm) + (1 - correct_qm) * np.log1p(-p_qm))
    truth = GroundTruth.from_outcomes(held_out.outcomes, held_out.models)
    equal_rq = np.full((1, len(p_qm)), 1 / len(p_qm))
    outcomes = ResampledOutcomes.from_outcomes(correct_qm, truth.cost_usd_qm, equal_rq)
    usd_rg, accuracy_rg = LambdaSweep(p_qm, cost_qm).settings(outcomes)
    budget_rg = np.maximum(usd_rg, outcomes.mean_usd_rm.min())
    mix_rg = RandomMixtures().evaluate_at(outcomes, budget_rg).accuracy_rb
    chosen_q1 = _choices(bank, held_out)[:, None]
    accuracy, usd = (
        float(np.take_along_axis(values_qm, chosen_q1, axis=1).mean())
        for values_qm in (correct_qm, truth.cost_usd_qm)
    )
    gain = 100 * float((accuracy_rg - mix_rg).mean())
    return [float(loss_qm.mean()), _auc(p_qm, correct_qm), gain, 100 * accuracy, 1_000 * usd]


def _auc(p_qm: FloatArray, correct_qm: FloatArray) -> float:
    from sklearn.metrics import roc_auc_score

    pairs = zip(correct_qm.T, p_qm.T, strict=True)
    return float(np.mean([roc_auc_score(correct_q, p_q) for correct_q, p_q in pairs]))


def _print(title: str, scores: dict[str, list[list[float]]]) -> None:
    """Print means, and the paired differences from the old bank with their intervals."""
    print(f"\n{title}\n\n| bank | {' | '.join(METRICS)} |\n|{(len(METRICS) + 1) * '---|'}")
    old = np.array(scores["old bank"])
    for name, values in scores.items():
        value, difference = np.array(values), np.array(values) - old
        half = 1.96 * difference.std(axis=0, ddof=1) / np.sqrt(len(value))
        cells = [
            f"{mean:.3f}" if name == "old bank" else f"{change:+.3f} ± {width:.3f}"
            for mean, change, width in zip(
                value.mean(axis=0), difference.mean(axis=0), half, strict=True
            )
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
