"""A bank with texts whose outcomes a reasoner can learn, and training data of it."""

from importlib.util import find_spec

import numpy as np
import pytest

from pipelines.finetune.make_data import DataOptions, make_data
from pipelines.terminal import Stages
from tests.factories.banks import bank_of

needs_trl = pytest.mark.skipif(
    find_spec("trl") is None, reason="needs trl and peft: pip install 'scope-router[train]'"
)
TEMPLATE = """Model: {{ model }}
{% for example in examples %}
Question: {{ example.question }}
Performance: {{ example.performance }}
{% endfor %}
Question: {{ question }}
"""
POOL_TEMPLATE = """{% for example in examples %}
Question: {{ example.question }}
{% endfor %}
Question: {{ question }}
{% for model in models %}
{{ loop.index }}: {{ model.name }}: {{ model.records | join("; ") }}
{% endfor %}
"""
SHARES = (0.6, 0.2, 0.2)


def bank_with_texts(n=60, *, seed=0):
    """Easy and hard questions: the small model fails the hard ones, whose answers are long."""
    rng = np.random.default_rng(seed)
    hard_a = np.arange(n) % 2 == 1
    prompts = tuple(
        f"{'Prove' if is_hard else 'Spell'} word {number}"
        for number, is_hard in zip(rng.permutation(10 * n)[:n], hard_a, strict=True)
    )
    correct_am = np.column_stack([~hard_a, np.ones(n)]).astype(float)
    vectors = rng.standard_normal((n, 16)).astype(np.float32)
    embedding = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    tokens_am = np.where(hard_a[:, None], 400.0, 40.0)
    return bank_of(correct_am, embedding=embedding, prompts=prompts, tokens=tokens_am)


def training_data(bank=None, form="model", **options):
    """Training data of `bank`, else of `bank_with_texts`."""
    template = TEMPLATE if form == "model" else POOL_TEMPLATE
    chosen = DataOptions(form=form, **{"n_examples": 2, "shares": SHARES, **options})
    return make_data(bank or bank_with_texts(), "version", template, chosen, Stages())
