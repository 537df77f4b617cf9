"""Embed texts of mixed length, against `SentenceTransformer.encode` in batches of 8."""

import numpy as np

from benchmarks.clock import best, report
from scope.arrays import Float32Array
from scope.embedding.encoder import Encoder

N_TEXTS = 384
MEDIAN_CHARS, SPREAD, LONGEST = 200, 1.0, 2_000
SYLLABLES = ("ka", "lo", "mi", "ren", "tu", "sal", "vor", "ne")


def texts(n_texts: int = N_TEXTS) -> list[str]:
    """Return texts of log-normal length, like prompts: most are short, some are long."""
    rng = np.random.default_rng(0)
    chars = np.clip(rng.lognormal(np.log(MEDIAN_CHARS), SPREAD, n_texts), 20, LONGEST)
    words = ["".join(rng.choice(SYLLABLES, size)) for size in rng.integers(1, 4, 500)]
    return [" ".join(rng.choice(words, LONGEST // 2))[: int(n)] for n in chars]


def in_file_order(encoder: Encoder, batch: list[str]) -> Float32Array:
    """Embed in batches of 8, in the given order."""
    model = encoder._model
    parts = [model.encode(batch[start : start + 8]) for start in range(0, len(batch), 8)]
    return np.concatenate(parts)


def main() -> None:
    """Run both and compare."""
    encoder, on_torch, batch = Encoder(), Encoder(backend="torch"), texts()
    encoder.encode(batch[:16])  # warm up
    ours_s, ours = best(lambda: encoder.encode(batch))
    baseline_s, theirs = best(lambda: in_file_order(on_torch, batch))
    mean = sum(map(len, batch)) / len(batch)
    title = (
        f"encoder, {N_TEXTS} texts of {min(map(len, batch))}–{LONGEST} characters, mean {mean:.0f}"
    )
    report(title, "batches of 8 in file order", baseline_s, ours_s, 1.5)
    print(f"  lowest cosine to it {(ours * theirs).sum(axis=1).min():.6f} (target ≥ 0.999)")


if __name__ == "__main__":
    main()
