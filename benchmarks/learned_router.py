"""`LearnedRouter.predict` on texts of mixed length, against the encoder alone on its batches."""

from typing import Any

import numpy as np

from benchmarks.clock import best, report
from benchmarks.encoder import texts
from scope.embedding import MINILM, resolve_model
from scope.learned import (
    ArmLengths,
    BaseEncoder,
    HeadCalibration,
    LearnedRouter,
    RouterSpec,
    add_source_token,
    default_max_tokens,
    load_encoder,
    load_tokenizer,
    make_network,
    pad,
    source_tokenizer,
)
from scope.learned.token_rows import BATCH_TOKENS, batches
from scope.pool import ModelSpec

N_TEXTS = 512
N_ARMS = 6


def untrained_router() -> LearnedRouter:
    """Return MiniLM with random heads: time does not depend on the weights."""
    encoder, raw = load_encoder(MINILM), load_tokenizer(resolve_model(MINILM)[0])
    add_source_token(encoder)
    max_tokens = default_max_tokens(raw, encoder.config)
    tokenizer = source_tokenizer(raw, encoder, "source_token", max_tokens)
    names = [f"arm-{m}" for m in range(N_ARMS)]
    length = ArmLengths(
        prompt_intercept=0.0,
        prompt_slope=1.0,
        completion_mean=100.0,
        completion_low=10.0,
        completion_high=300.0,
    )
    spec = RouterSpec(
        loss="prob_nlabels",
        pooling="source_token",
        encoder=BaseEncoder(name=MINILM, max_tokens=max_tokens),
        models=tuple(ModelSpec(id=n, usd_per_mtok_in=1.0, usd_per_mtok_out=1.0) for n in names),
        lengths=(length,) * N_ARMS,
        calibration=(HeadCalibration(),) * (N_ARMS - 1),
        threshold=0.5,
        n_train=1,
        n_validation=1,
        n_truncated=0,
        seed=0,
        data="none",
    )
    network = make_network(
        encoder, "source_token", tokenizer.source_position, spec.loss, 2 * (N_ARMS - 1)
    )
    return LearnedRouter(spec, network.eval(), tokenizer)


def encoder_alone(network: Any, padded: list[Any]) -> int:  # noqa: ANN401 (torch)
    """Run the encoder on batches that are tensors already."""
    import torch

    with torch.inference_mode():
        for ids, mask in padded:
            network.encoder(input_ids=ids, attention_mask=mask)
    return len(padded)


def main() -> None:
    """Run both and compare."""
    router, prompts = untrained_router(), texts(N_TEXTS)
    rows = [row.ids for row in router._tokenizer.rows(prompts)]
    padded = [pad([rows[n] for n in batch], 0) for batch in batches(rows, BATCH_TOKENS)]
    router.predict(prompts[:16])  # warm up
    baseline_s, n_batches = best(lambda: encoder_alone(router._network, padded))
    ours_s, found = best(lambda: router.predict(prompts))
    assert np.isfinite(found.p_correct_qm).all()
    tokens = sum(map(len, rows)) / N_TEXTS
    title = f"learned router, {N_TEXTS} prompts of {tokens:.0f} tokens on average"
    report(title, f"MiniLM alone, the same {n_batches} batches", baseline_s, ours_s, 0.8)


if __name__ == "__main__":
    main()
