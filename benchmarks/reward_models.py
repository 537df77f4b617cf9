"""A reward model of our own, judged by grades: train it on half of the prompts, choose on the rest.

``python -m benchmarks.reward_models SAMPLES QUESTIONS FOLDER`` reads graded samples (scorer
``correct``, the judge), pairs right with wrong ones on the half of the prompts that `best_of_n`
fits on, trains a reward model on the pairs, cross-fitted, and scores the other half with it. The
folder keeps the model and the scores: a second run only prints. Every choice of the training was
made on the validation and test parts of the fit half. Intervals are 95 %, over 1,000 resamples of
the held-out prompts.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.best_of_n import print_prediction
from benchmarks.best_of_n_fit import JUDGE, FittedSamples, SelectorRun, selectors
from benchmarks.leaderboard import SEED
from pipelines.train.job import TrainSettings
from pipelines.train.pairs import read_pairs
from pipelines.train.reward import RewardTraining, train_reward
from scope.arms import Arm, within_question_auc
from scope.arrays import BoolArray, FloatArray
from scope.embedding import MINILM
from scope.evaluation import Interval, bootstrap_weights, format_points, format_share, safe_ratio
from scope.questions import read_questions
from scope.samples import (
    Samples,
    best_of_n_scores,
    make_pairs,
    read_samples,
    take,
    write_pairs,
    write_samples,
)
from scope.sampling import hash_sample

REWARD = "reward model"
N_SHOWN = (2, 3, 5, 10)
TRAINING = RewardTraining(
    MINILM, max_tokens=64, folds=2, settings=TrainSettings(epochs=3, learning_rate=2e-4)
)


def main() -> None:
    """Train if there are no scores yet, and print the tables."""
    path, questions, folder = map(Path, sys.argv[1:4])
    scored_file = folder / "scored.parquet"
    if not scored_file.exists():
        write_samples(scored_file, scored(read_samples(path), folder))
    with threadpool_limits(1):
        fitted = FittedSamples.from_samples(with_lengths(read_samples(scored_file)))
        runs = list(selectors(fitted))
        print_auc(fitted, kinds(fitted, questions))
        print_choices(fitted, runs)
        print_prediction(fitted, next(run for run in runs if run.name == REWARD))


def scored(samples: Samples, folder: Path) -> Samples:
    """Return the samples with the scores of a reward model that never read their prompts."""
    fit_half = take(samples, rows=hash_sample(samples.ids, len(samples.ids) // 2))
    write_pairs(folder / "pairs.jsonl", list(make_pairs(fit_half, JUDGE)))
    pairs = read_pairs(folder / "pairs.jsonl")
    result = train_reward(pairs, TRAINING, folder / "model", samples=samples, scorer=REWARD)
    print(f"{result.spec.n_pairs:,} pairs; {100 * (result.spec.accuracy or 0):.1f} % of validation")
    assert result.samples is not None  # samples were given
    return result.samples


def with_lengths(samples: Samples) -> Samples:
    """Add scores that read no word: few tokens, and tokens near the mean of the fit half."""
    tokens_qmo = samples.completion_tokens_qmo
    rows = hash_sample(samples.ids, len(samples.ids) // 2)
    mean_m = np.nanmean(tokens_qmo[rows], axis=(0, 2))
    lengths = {"shortest": -tokens_qmo, "mean length": -np.abs(tokens_qmo - mean_m[:, None])}
    return replace(samples, scores={**samples.scores, **lengths})


def kinds(fitted: FittedSamples, questions: Path) -> dict[str, BoolArray]:
    """Return which held-out prompts are of which kind.

    New answers are those that are the gold answer of no prompt of the fit half of that category.
    """
    asked, fit_q = read_questions(questions), fitted.fit_q
    place = {question_id: n for n, question_id in enumerate(asked.ids)}
    at = [place[question_id] for question_id in fitted.samples.ids]
    answers = [(asked.categories[n], asked.gold_answers[n]) for n in at]
    read = {answer for answer, is_fit in zip(answers, fit_q, strict=True) if is_fit}
    numeric_q = np.array([asked.graders[n] == "numeric" for n in at])
    new_q = np.array([answer not in read for answer in answers])
    return {
        "all": ~fit_q,
        "numbers": ~fit_q & numeric_q,
        "words": ~fit_q & ~numeric_q,
        "words, new answers": ~fit_q & ~numeric_q & new_q,
    }


def print_auc(fitted: FittedSamples, kind_q: dict[str, BoolArray]) -> None:
    """Print how often each score puts a right sample before a wrong one of its prompt."""
    print(
        "| model | score | "
        + " | ".join(f"{name} ({int(q.sum()):,})" for name, q in kind_q.items())
        + f" | fit half |\n|{'---|' * (3 + len(kind_q))}"
    )
    for m, model in enumerate(fitted.samples.models):
        grades_qo = fitted.grades_qmo[:, m]
        for name, score_qmo in fitted.samples.scores.items():
            if name != JUDGE:
                score_qo = score_qmo[:, m]
                cells = [format_auc(grades_qo[q], score_qo[q]) for q in kind_q.values()]
                cells.append(format_auc(grades_qo[fitted.fit_q], score_qo[fitted.fit_q]))
                print(f"| {model} | {name} | {' | '.join(cells)} |")
    print()


def format_auc(grades_qo: FloatArray, score_qo: FloatArray) -> str:
    """Return the AUC within prompts with its interval over prompts."""
    known_qo = ~np.isnan(grades_qo + score_qo)
    right_q = (known_qo & (grades_qo > 0.5)).sum(axis=1)
    pairs_q = (right_q * (known_qo.sum(axis=1) - right_q)).astype(np.float64)
    rows = zip(grades_qo[:, None], score_qo[:, None], strict=True)
    auc_q = np.nan_to_num([within_question_auc(*row) for row in rows])
    weight_rq = bootstrap_weights(len(pairs_q), SEED)
    auc_r = safe_ratio(weight_rq @ (pairs_q * auc_q), weight_rq @ pairs_q)
    auc = Interval.from_replicates(auc_r)
    return f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"


def print_choices(fitted: FittedSamples, runs: list[SelectorRun]) -> None:
    """Print what the choice of each selector is worth on the held-out prompts."""
    names = ["random", *(run.name for run in runs), "pass@n"]
    print(f"| model@n | prompts | {' | '.join(names)} | reward model − majority |")
    print(f"|{'---|' * (len(names) + 3)}")
    held_out_q = ~fitted.fit_q
    for m, model in enumerate(fitted.samples.models):
        for n in N_SHOWN:
            picked = np.column_stack([row[held_out_q] for row in picks(fitted, runs, m, n)])
            picked = picked[~np.isnan(picked).any(axis=1)]
            mean_rs = bootstrap_weights(len(picked), SEED) @ picked
            cells = [format_share(Interval.from_replicates(mean_r)) for mean_r in mean_rs.T]
            gap_r = mean_rs[:, names.index(REWARD)] - mean_rs[:, names.index("majority")]
            cells.append(format_points(Interval.from_replicates(gap_r)))
            print(f"| {Arm(model, n_samples=n)} | {len(picked):,} | {' | '.join(cells)} |")
    print()


def picks(
    fitted: FittedSamples, runs: list[SelectorRun], m: int, n_samples: int
) -> Iterator[FloatArray]:
    """Yield the expected grade of a random pick, of each selector's, and of the best."""
    grades_qo = fitted.grades_qmo[:, m]
    yield best_of_n_scores(grades_qo, np.zeros_like(grades_qo), n_samples)
    yield from (run.picked[n_samples][:, m] for run in runs)
    yield best_of_n_scores(grades_qo, grades_qo, n_samples)


if __name__ == "__main__":
    main()
