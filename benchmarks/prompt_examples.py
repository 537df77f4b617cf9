"""Which anchors a reasoner's prompt should show: the nearest, or a choice among the nearest 32.

A stand-in for a trained reasoner reads the examples: a logistic regression on the model's name,
and on the outcome and the similarity of each example shown. It does not read their texts, so a
choice whose worth is in the texts is underrated here. It learns on the questions of train; each
choice is scored there by cross-validation, which picks one, and on the questions of validation
and hold-out, which report. Differences from the nearest are paired, on resamples of questions.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipelines.finetune.examples import nearest_anchors, split_questions
from scope.arrays import BoolArray, FloatArray, IntArray
from scope.bank.bank import Bank
from scope.bank.store import load_bank
from scope.evaluation.answer_quality import auc_replicates
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.sampling import hash_sample

SHARES = (0.8, 0.1, 0.1)
N_FOLDS = 5
Choice = Callable[[Bank, IntArray, FloatArray, int, int], IntArray]
"""Of the bank, its nearest anchors that the model was run on, their similarities, the model and
the number wanted: positions in the anchors, in the order shown."""


def nearest(bank: Bank, anchor_k: IntArray, similarity_k: FloatArray, m: int, n: int) -> IntArray:
    """Return the most similar."""
    return np.arange(min(n, len(anchor_k)))


def diverse(weight: float) -> Choice:
    """Return maximal marginal relevance: similar to the question, unlike those already shown."""

    def choose(
        bank: Bank, anchor_k: IntArray, similarity_k: FloatArray, m: int, n: int
    ) -> IntArray:
        embedding_kd = bank.embedding_ad[anchor_k]
        chosen: list[int] = []
        closest_k = np.zeros(len(anchor_k))
        for _ in range(min(n, len(anchor_k))):
            score_k = weight * similarity_k - (1 - weight) * closest_k
            score_k[chosen] = -np.inf
            chosen.append(int(score_k.argmax()))
            closest_k = np.maximum(closest_k, embedding_kd @ embedding_kd[chosen[-1]])
        return np.sort(np.array(chosen, dtype=np.int64))

    return choose


def balanced(bank: Bank, anchor_k: IntArray, similarity_k: FloatArray, m: int, n: int) -> IntArray:
    """Return the nearest that the model got right and the nearest it got wrong, in equal number."""
    right_k = bank.outcomes.correct_am[anchor_k, m] >= 0.5
    right, wrong = np.flatnonzero(right_k), np.flatnonzero(~right_k)
    n_right = max(min(len(right), (n + 1) // 2), n - len(wrong))
    return np.sort(np.concatenate([right[:n_right], wrong[: n - n_right]]))


def contrasted(
    bank: Bank, anchor_k: IntArray, similarity_k: FloatArray, m: int, n: int
) -> IntArray:
    """Return the nearest; if they agree, the nearest of the other outcome replaces the last."""
    right_k = bank.outcomes.correct_am[anchor_k, m] >= 0.5
    others = np.flatnonzero(right_k != right_k[0]) if len(right_k) else np.array([], np.int64)
    shown = np.arange(min(n, len(anchor_k)))
    if len(others) and len(shown) == n and others[0] >= n:
        shown[-1] = others[0]
    return shown


def telling(weight: float) -> Choice:
    """Return near anchors that tell models apart: some of the pool are right, some wrong."""

    def choose(
        bank: Bank, anchor_k: IntArray, similarity_k: FloatArray, m: int, n: int
    ) -> IntArray:
        share_k = np.nanmean(bank.outcomes.correct_am[anchor_k], axis=1)
        score_k = similarity_k + weight * 4 * share_k * (1 - share_k)
        return np.sort(np.argsort(-score_k, kind="stable")[:n])

    return choose


CHOICES: dict[str, Choice] = {
    "nearest": nearest,
    "diverse, weight 0.8": diverse(0.8),
    "diverse, weight 0.5": diverse(0.5),
    "balanced": balanced,
    "contrasted": contrasted,
    "telling, weight 0.1": telling(0.1),
    "telling, weight 0.3": telling(0.3),
}


def read_examples(
    bank: Bank, candidates: list[IntArray], questions: IntArray, choose: Choice, n: int
) -> FloatArray:
    """Return what the stand-in reads about each (question, model), row by row.

    Returns
    -------
    ndarray of shape (n_questions * n_models, n_models + 3 * n + 3)
    """
    n_models = len(bank.models)
    known_am = ~np.isnan(bank.outcomes.correct_am)
    features = np.zeros((len(questions), n_models, n_models + 3 * n + 3))
    for q, question in enumerate(questions.tolist()):
        near_k = candidates[question]
        similarity_k = bank.embedding_ad[near_k] @ bank.embedding_ad[question]
        for m in range(n_models):
            usable_k = known_am[near_k, m]
            anchor_k, cosine_k = near_k[usable_k], similarity_k[usable_k].astype(np.float64)
            shown = choose(bank, anchor_k, cosine_k, m, n)
            sign_n = 2 * bank.outcomes.correct_am[anchor_k[shown], m] - 1
            row, size = features[q, m], len(shown)
            row[m] = 1
            row[n_models : n_models + size] = sign_n
            row[n_models + n : n_models + n + size] = cosine_k[shown]
            row[n_models + 2 * n : n_models + 2 * n + size] = sign_n * cosine_k[shown]
            right, wrong = cosine_k[shown][sign_n > 0], cosine_k[shown][sign_n <= 0]
            row[-3:] = (
                right.mean() if len(right) else 0,
                wrong.mean() if len(wrong) else 0,
                sign_n.mean() if size else 0,
            )
    return features.reshape(len(questions) * n_models, -1)


def predict(features: FloatArray, outcome: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return the probability of a correct answer for the rows `wanted`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reader = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500))
    known = ~np.isnan(outcome)
    reader.fit(features[known], outcome[known] >= 0.5)
    p: FloatArray = reader.predict_proba(wanted)[:, 1]
    return p


def losses(p_qm: FloatArray, correct_qm: FloatArray) -> FloatArray:
    """Return the mean log loss of each question over its models, in nats."""
    p_qm = np.clip(p_qm, 1e-6, 1 - 1e-6)
    loss_qm = -(correct_qm * np.log(p_qm) + (1 - correct_qm) * np.log(1 - p_qm))
    mean_q: FloatArray = np.nanmean(loss_qm, axis=1)
    return mean_q


def run(bank: Bank, n: int, limit: int) -> None:
    """Score each choice by cross-validation on train, and on the other questions."""
    splits = np.array(split_questions(bank, SHARES))
    candidates = list(nearest_anchors(bank, tuple(splits.tolist())))
    train_a: BoolArray = splits == "train"
    train = np.flatnonzero(train_a)
    train = train[sorted(hash_sample([bank.ids[a] for a in train], min(limit, len(train))))]
    others = np.flatnonzero(~train_a)
    correct_am = bank.outcomes.correct_am
    fold_q = np.arange(len(train)) % N_FOLDS
    weights = {
        "train": bootstrap_weights(len(train), 0),
        "others": bootstrap_weights(len(others), 0),
    }
    print(f"{n} examples; {len(train):,} questions of train, {len(others):,} others")
    base: dict[str, tuple[FloatArray, FloatArray]] = {}
    for name, choose in CHOICES.items():
        read = read_examples(bank, candidates, train, choose, n)
        truth = correct_am[train].ravel()
        row_fold = np.repeat(fold_q, len(bank.models))
        p = np.zeros(len(truth))
        for fold in range(N_FOLDS):
            inside = row_fold == fold
            p[inside] = predict(read[~inside], truth[~inside], read[inside])
        p_other = predict(read, truth, read_examples(bank, candidates, others, choose, n))
        print(name)
        for part, questions, p_row in (("train", train, p), ("others", others, p_other)):
            p_qm, truth_qm = p_row.reshape(len(questions), -1), correct_am[questions]
            loss_r = weights[part] @ losses(p_qm, truth_qm)
            auc_r = auc_replicates(p_qm, truth_qm, weights[part])[0]
            base.setdefault(part, (loss_r, auc_r))
            loss, auc = (Interval.from_replicates(each) for each in (loss_r, auc_r))
            less, more = (
                Interval.from_replicates(each - first)
                for each, first in zip((loss_r, auc_r), base[part], strict=True)
            )
            print(f"  {part}: log loss {loss:.4f}, difference {less:+.4f}")
            print(f"  {part}: AUC within a model {auc:.3f}, difference {more:+.3f}", flush=True)


def main() -> None:
    """Read the arguments and compare the choices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="with texts")
    parser.add_argument("--examples", type=int, default=5, help="of a prompt")
    parser.add_argument("--limit", type=int, default=3_000, help="most questions of train")
    chosen = parser.parse_args()
    run(load_bank(chosen.bank), chosen.examples, chosen.limit)


if __name__ == "__main__":
    main()
