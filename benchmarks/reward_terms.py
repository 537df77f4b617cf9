"""What each term of GRPO's reward does: ``python -m benchmarks.reward_terms``.

A tiny Qwen3 with random weights learns the form of replies from one epoch of SFT on a bank whose
outcomes a text tells exactly, and goes on with GRPO: with all terms, without one of them, and with
each score of the answer. Printed are the means over the last third of the steps, ± 1.96 standard
errors over seeds, beside the first third of the runs with all terms.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.cluster.session import ray_session
from pipelines.finetune.grpo import train_grpo
from pipelines.finetune.job import FinetuneSettings, PolicySettings
from pipelines.finetune.reward import RewardWeights
from pipelines.finetune.run import Training, finetune
from pipelines.finetune.sft import train_sft
from scope.arrays import FloatArray
from scope.reasoner import ReasonerConfig
from tests.factories.checkpoints import tiny_checkpoint
from tests.factories.finetuning import training_data

SEEDS = range(3)
SETTINGS = FinetuneSettings(
    learning_rate=3e-3, batch_size=8, micro_batch_size=4, dtype="float32", epochs=1
)
POLICIES: dict[str, dict[str, Any]] = {
    "all terms, `brier`": {},
    "without the answer": {"weights": RewardWeights(correct=0)},
    "without the length": {"weights": RewardWeights(length=0)},
    "without the form": {"weights": RewardWeights(form=0)},
    "all terms, `log`": {"score": "log"},
    "all terms, `hard`": {"score": "hard"},
}
LOGGED = ("right", "length", "parsed")


def main() -> None:
    """Print a row for each reward."""
    print("| reward | answers right | length score | parsed |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, ray_session():
        folder = Path(name)
        training_data().save(folder / "data")
        start = tiny_checkpoint(folder / "tiny")
        finetune(
            folder / "data",
            _reasoner(start),
            Training("sft", train_sft, SETTINGS),
            folder / "start",
        )
        for number, (title, policy) in enumerate(POLICIES.items()):
            runs = [_terms(folder, policy, seed, number) for seed in SEEDS]
            if not number:
                print(_row("before", [terms[: len(terms) // 3] for terms in runs]))
            print(_row(title, [terms[-(len(terms) // 3) :] for terms in runs]), flush=True)


def _reasoner(checkpoint: Path) -> ReasonerConfig:
    return ReasonerConfig(checkpoint=str(checkpoint), max_context_tokens=256, reasoning="none")


def _terms(folder: Path, policy: dict[str, Any], seed: int, number: int) -> FloatArray:
    """Return what one run logged of each term, shape (n_steps, n_terms)."""
    settings = SETTINGS.model_copy(
        update={"batch_size": 32, "epochs": 4, "learning_rate": 5e-4, "seed": seed}
    )
    training = Training("grpo", train_grpo, settings, PolicySettings(group_size=4, **policy))
    output = folder / f"grpo-{number}-{seed}"
    log = finetune(folder / "data", _reasoner(folder / "start"), training, output).log
    steps = [entry for entry in log if "reward" in entry]
    # A step without any parsed reply logs no other term.
    return np.array([[entry.get(name, np.nan) for name in LOGGED] for entry in steps])


def _row(title: str, runs: list[FloatArray]) -> str:
    means = np.array([np.nanmean(terms, axis=0) for terms in runs])
    error = 1.96 * means.std(axis=0, ddof=1) / np.sqrt(len(runs))
    cells = [f"{m:.2f} ± {e:.2f}" for m, e in zip(means.mean(axis=0), error, strict=True)]
    return f"| {title} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
