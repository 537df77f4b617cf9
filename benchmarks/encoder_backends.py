"""Embed on onnxruntime, against torch: one prompt, batches, and how equal the vectors are.

``python -m benchmarks.encoder_backends [QUESTIONS]`` also compares the vectors, and the models
that the embedded bank chooses, on the first texts of a question file (see docs/formats.md). Both
have the threads that torch takes: set ``OMP_NUM_THREADS=1`` for those of a replica.
"""

import itertools
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.clock import seconds
from benchmarks.load import prompts
from scope import EMBEDDED_BANK, AnchorPredictor, Objective, PredictionSet, load_bank, route
from scope.arrays import Float32Array
from scope.bank import Bank
from scope.embedding import Encoder, text_features
from scope.questions import read_questions

ROUNDS = {1: 60, 16: 9, 64: 5, 128: 3}
"""Prompts in a call, and how often it is repeated."""
N_COMPARED = 1_500
ALPHAS = (0.2, 0.6, 1.0)


def main() -> None:
    """Print a table of durations, and how equal vectors and decisions are."""
    on_torch, on_onnx = Encoder(backend="torch"), Encoder(backend="onnx")
    prompt = prompts()
    print("| prompts | torch p50, ms | onnxruntime p50, ms | ratio |")
    print("|---|---|---|---|")
    for size, rounds in ROUNDS.items():
        times_s = []
        for _ in range(rounds):
            texts = list(itertools.islice(prompt, size))
            times_s.append([seconds(partial(e.encode, texts))[0] for e in (on_torch, on_onnx)])
        torch_s, onnx_s = np.median(times_s, axis=0)
        print(f"| {size} | {torch_s * 1e3:.1f} | {onnx_s * 1e3:.1f} | {torch_s / onnx_s:.2f} |")
    texts = list(itertools.islice(prompt, N_COMPARED))
    if len(sys.argv) > 1:
        texts = list(read_questions(Path(sys.argv[1])).prompts[:N_COMPARED])
    compare(texts, on_torch.encode(texts), on_onnx.encode(texts))


def compare(texts: list[str], torch_qd: Float32Array, onnx_qd: Float32Array) -> None:
    """Print the lowest cosine, the largest difference, and how many decisions differ."""
    cosine_q = np.sum(torch_qd.astype(np.float64) * onnx_qd, axis=1)
    print(f"{len(texts)} texts: lowest cosine {cosine_q.min():.7f}", end=", ")
    print(f"largest difference of a coordinate {np.abs(torch_qd - onnx_qd).max():.1e}")
    bank = load_bank(EMBEDDED_BANK)
    chosen = [choices(bank, texts, embedding_qd) for embedding_qd in (torch_qd, onnx_qd)]
    for alpha, torch_choice, onnx_choice in zip(ALPHAS, *chosen, strict=True):
        differ = sum(a != b for a, b in zip(torch_choice, onnx_choice, strict=True))
        print(f"alpha {alpha}: {differ} of {len(texts)} decisions differ")


def choices(bank: Bank, texts: list[str], embedding_qd: Float32Array) -> list[list[str]]:
    """Return the chosen model of each text, for each alpha."""
    estimates, _ = AnchorPredictor(bank).predict(embedding_qd, text_features(texts))
    names = [str(n) for n in range(len(texts))]
    predictions = PredictionSet.from_bank(bank, estimates, question_ids=names)
    decided = [route(predictions, Objective(alpha=alpha)).decisions() for alpha in ALPHAS]
    return [[one["selected_model"] for one in decisions] for decisions in decided]


if __name__ == "__main__":
    main()
