"""Embed texts through the pipeline, against the bare encoder; then from the cache.

Both use all cores: the bare encoder as threads of one process, the pipeline as one process per
core. Ray and its encoders need seconds to start, whatever the number of texts: the duration for
few texts is subtracted from that for many.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.clock import report, seconds
from benchmarks.encoder import texts
from pipelines.cluster.session import ray_session
from pipelines.embedding.cached import embed_texts
from pipelines.embedding.encoder_actor import EncoderSpec
from scope.config import EncoderConfig
from scope.embedding.encoder import Encoder
from scope.embedding.spec import MINILM

FEW, MANY = 512, 2_048


def main() -> None:
    """Run all three and compare."""
    batch, cores = texts(MANY), os.cpu_count() or 1
    config = EncoderConfig(replicas=(cores, cores))
    with tempfile.TemporaryDirectory() as folder, ray_session():
        few = EncoderSpec(MINILM, None, config, Path(folder) / "few")
        many = EncoderSpec(MINILM, None, config, Path(folder) / "many")
        few_s, _ = seconds(lambda: embed_texts(batch[:FEW], few))
        many_s, ours = seconds(lambda: embed_texts(batch, many))
        warm_s, warm = seconds(lambda: embed_texts(batch, many))
    bare = Encoder()
    bare.encode(batch[:16])  # warm up
    bare_s, bare_qd = seconds(lambda: bare.encode(batch[FEW:]))
    print(f"start-up of Ray and its encoders, not counted: {few_s - (many_s - few_s) / 3:.1f} s")
    title = f"embedding, {MANY - FEW:,} texts on {cores} cores, cache empty"
    report(title, "bare encoder", bare_s, many_s - few_s, 0.9)
    print(f"  lowest cosine to it {(ours[FEW:] * bare_qd).sum(axis=1).min():.6f}")
    report(f"embedding, {MANY:,} texts in the cache", "cache empty", many_s, warm_s, 20)
    print(f"  the same bits: {np.array_equal(ours, warm)}")


if __name__ == "__main__":
    main()
