"""Learned routers and reward models with random encoders, as folders that real code loads."""

import math

import numpy as np

from scope.arms import Arm
from scope.bank import ReferencePopulation
from scope.config import AnchorConfig
from scope.learned import (
    ArmLengths,
    BaseEncoder,
    HeadCalibration,
    LearnedRouter,
    RouterSpec,
    TextTokenizer,
    load_encoder,
    load_tokenizer,
    make_network,
    n_logits,
)
from scope.pool import ModelSpec
from tests.factories.encoders import MAX_TOKENS, tiny_encoder

PROMPT_TOKENS, COMPLETION_TOKENS = 10.0, 100.0
"""Of one sample of any arm."""


def tiny_router(folder, p_of, models, *, threshold=0.6):
    """Save a router that gives every text the same match probabilities; returns the folder.

    Parameters
    ----------
    folder : Path
    p_of : dict of str to float
        Arm -> its match probability, without the reference.
    models : sequence of ModelSpec
        Base models with prices, the reference last.
    threshold : float, optional
    """
    import torch

    source = tiny_encoder(folder.with_name(f"{folder.name}-encoder"))
    loss = "prob_2cls" if len(p_of) == 1 else "prob_nlabels"
    arms = (*p_of, models[-1].id)
    specs = tuple(spec_of(arm, models) for arm in arms)
    tokenizer = TextTokenizer(load_tokenizer(source), MAX_TOKENS)
    network = make_network(load_encoder(source), "mean", 0, loss, n_logits(loss, len(arms)))
    with torch.no_grad():
        network.heads.weight.zero_()
        network.heads.bias.zero_()
    spec = RouterSpec(
        loss=loss,
        pooling="mean",
        encoder=BaseEncoder(name=str(source), max_tokens=MAX_TOKENS),
        models=specs,
        lengths=tuple(map(lengths_of, arms)),
        calibration=tuple(HeadCalibration(bias=math.log(p / (1 - p))) for p in p_of.values()),
        threshold=threshold,
        n_train=10,
        n_validation=10,
        n_truncated=0,
        seed=0,
        data="hand-made",
    )
    LearnedRouter(spec, network, tokenizer, population(p_of, specs)).save(folder)
    return folder


def spec_of(arm, models):
    """The price of an arm: that of its model."""
    (spec,) = (model for model in models if model.id == Arm.parse(arm).model)
    return ModelSpec(**{**spec.model_dump(), "id": arm})


def lengths_of(arm):
    """Tokens of all samples of an arm."""
    n = Arm.parse(arm).n_samples
    mean = n * COMPLETION_TOKENS
    return ArmLengths(
        prompt_intercept=n * PROMPT_TOKENS,
        prompt_slope=0,
        completion_mean=mean,
        completion_low=mean,
        completion_high=mean,
    )


def population(p_of, specs):
    """A reference population of ten prompts around these probabilities."""
    p_m = np.array([*p_of.values(), 1.0])
    p_qm = np.clip(p_m + np.linspace(-0.1, 0.1, 10)[:, None] * (p_m < 1), 0, 1)
    tokens = [lengths_of(spec.id) for spec in specs]
    prompt_qm = np.tile([length.prompt_intercept for length in tokens], (10, 1))
    completion_qm = np.tile([length.completion_mean for length in tokens], (10, 1))
    return ReferencePopulation(AnchorConfig(), p_qm, prompt_qm, completion_qm)


def tiny_reward(folder):
    """Save a reward model of random weights with one output; returns the folder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    tiny_encoder(folder)
    torch.manual_seed(1)
    config = BertConfig.from_pretrained(folder, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder
