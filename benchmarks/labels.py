"""Router labels of a batch of prompts, against the published loop over pairs of samples.

``y[q, c] = mean_ij 1[a_i >= b_j - t]`` for 30 arms and a reference with 10 samples each. The
published code evaluates it pair by pair on elements of a tensor; the same loop on plain Python
numbers is timed beside it. Labels must be equal to 1e-6.
"""

import numpy as np
import torch

from benchmarks.clock import best, report, seconds
from scope.samples import match_labels

N_PROMPTS, N_CANDIDATES, N_SAMPLES, MARGIN = 1_000, 31, 10, 0.01


def pairwise(scores: "torch.Tensor", margin: float) -> list[list[float]]:
    """Return the labels, pair by pair, of the elements of a tensor."""
    labels = []
    for prompt in scores:
        row = []
        for arm in prompt[:-1]:
            matches = 0.0
            for a in arm:
                for b in prompt[-1]:
                    matches += 1.0 if a >= b - margin else 0.0
            row.append(matches / (len(arm) * len(prompt[-1])))
        labels.append(row)
    return labels


def pairwise_numbers(scores: list[list[list[float]]], margin: float) -> list[list[float]]:
    """Return the labels, pair by pair, of lists of numbers."""
    return [
        [
            sum(a >= b - margin for a in arm for b in prompt[-1]) / (len(arm) * len(prompt[-1]))
            for arm in prompt[:-1]
        ]
        for prompt in scores
    ]


def main() -> None:
    """Run all three and compare."""
    rng = np.random.default_rng(0)
    score_qmo = rng.normal(0.12, 0.02, (N_PROMPTS, N_CANDIDATES, N_SAMPLES))
    score_qmo = np.round(score_qmo, 3)  # as of a reward model in half precision: with ties
    ours_s, label_qm = best(lambda: match_labels(score_qmo[:, :-1], score_qmo[:, -1], MARGIN))
    loop_s, loop = seconds(lambda: pairwise(torch.from_numpy(score_qmo), MARGIN))
    plain_s, plain = seconds(lambda: pairwise_numbers(score_qmo.tolist(), MARGIN))
    sizes = f"{N_PROMPTS:,} prompts × {N_CANDIDATES} candidates × {N_SAMPLES} samples"
    report(f"labels, {sizes}", "loop over pairs", loop_s, ours_s, 100)
    report(f"labels, {sizes}", "the same on numbers", plain_s, ours_s, 1)
    largest = max(np.abs(label_qm - np.array(other)).max() for other in (loop, plain))
    print(f"  largest difference of a label {largest:.1e} (target <= 1e-6)")


if __name__ == "__main__":
    main()
