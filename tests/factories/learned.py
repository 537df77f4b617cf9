"""Labelled prompts whose first word decides the label, and routers trained on them."""

from importlib.util import find_spec

import numpy as np
import pytest

from scope.learned import (
    BaseEncoder,
    RouterData,
    TrainedNetwork,
    finish_router,
    fit_heads,
    load_encoder,
    load_tokenizer,
    make_network,
    n_logits,
    run_rows,
    source_tokenizer,
)
from scope.pool import ModelSpec
from tests.factories.encoders import MAX_TOKENS

needs_accelerate = pytest.mark.skipif(
    find_spec("accelerate") is None, reason="needs accelerate: pip install 'scope-router[train]'"
)
MODELS = tuple(
    ModelSpec(id=name, usd_per_mtok_in=usd, usd_per_mtok_out=usd)
    for name, usd in (("small", 1.0), ("small@2", 1.0), ("large", 10.0))
)


def easy_and_hard(n=120):
    """Prompts that begin with easy or hard, in turn."""
    words = ["two", "plus", "three", "capital", "france"]
    draw = np.random.default_rng(0).choice(words, (n, 4))
    return tuple(f"{('hard', 'easy')[i % 2]} question {' '.join(draw[i])}" for i in range(n))


def data_of(n=120, loss="prob_nlabels", models=MODELS, **changes):
    """Two thirds training, one third validation; on easy prompts the small model matches."""
    prompts = easy_and_hard(n)
    easy_q = np.arange(n) % 2 == 1
    p_q = np.where(easy_q, 0.9, 0.2)
    label_qm = np.column_stack([p_q, 1 - (1 - p_q) ** 2])[:, : len(models) - 1]
    if loss == "det_nlabels":
        label_qm = np.column_stack([label_qm > 0.5, np.ones(n)]).astype(float)
    if loss == "det_ncls":
        label_qm = np.column_stack([easy_q, np.zeros((n, len(models) - 2)), ~easy_q]).astype(float)
    quality_qm = np.column_stack([label_qm[:, : len(models) - 1], np.full(n, 0.9)])
    train_q = np.arange(n) < 2 * n // 3
    tokens_qm = np.broadcast_to([[10.0, 20.0, 10.0][-len(models) :]], (n, len(models)))
    fields = {
        "prompts": prompts,
        "is_train_q": train_q,
        "is_validation_q": ~train_q,
        "models": models,
        "loss": loss,
        "margin": 0.0,
        "label_qm": label_qm,
        "quality_qm": quality_qm,
        "prompt_tokens_qm": tokens_qm,
        "completion_tokens_qm": tokens_qm * 10,
        "source": "the samples",
    }
    return RouterData(**{**fields, **changes})


def frozen_router(folder, data=None, max_tokens=MAX_TOKENS):
    """A router with fitted heads on the random encoder in `folder`."""
    data = data or data_of()
    encoder = load_encoder(str(folder))
    tokenizer = source_tokenizer(load_tokenizer(folder), encoder, "mean", max_tokens)
    outputs = n_logits(data.loss, len(data.models))
    network = make_network(encoder, "mean", 0, data.loss, outputs)
    rows = tokenizer.rows(data.prompts)
    ids = [row.ids for row in rows]
    embedding_qd = run_rows(network, ids, tokenizer.pad_id, 32, embed=True)
    fit_heads(network, data.loss, embedding_qd, data.label_qm, data.is_train_q)
    spec = BaseEncoder(name=str(folder), max_tokens=max_tokens)
    return finish_router(data, rows, TrainedNetwork(network, tokenizer, spec, "mean", 0))
