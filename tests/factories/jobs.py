"""Small training jobs."""

import numpy as np

from pipelines.train.job import JobFolder, TrainJob, TrainSettings, pair_rows, router_rows
from scope.learned import (
    BaseEncoder,
    RewardText,
    TextTokenizer,
    add_source_token,
    load_encoder,
    load_tokenizer,
    source_tokenizer,
)
from tests.factories.encoders import MAX_TOKENS
from tests.factories.learned import easy_and_hard


def router_job(folder, encoder_folder, **settings):
    """A job of 80 training and 40 validation prompts: does it begin with easy?"""
    encoder = load_encoder(str(encoder_folder))
    add_source_token(encoder)
    tokenizer = source_tokenizer(
        load_tokenizer(encoder_folder), encoder, "source_token", MAX_TOKENS
    )
    ids = [row.ids for row in tokenizer.rows(easy_and_hard())]
    label_qm = np.where(np.arange(120) % 2, 0.9, 0.1)[:, None]
    label_qm[5] = np.nan
    fields = {"epochs": 3, "learning_rate": 3e-3, "batch_size": 16}
    job = TrainJob(
        encoder=BaseEncoder(name=str(encoder_folder), max_tokens=MAX_TOKENS),
        settings=TrainSettings(**{**fields, **settings}),
        loss="prob_nlabels",
        n_logits=2,
        pad_id=tokenizer.pad_id,
        source_position=tokenizer.source_position,
        digest="router",
    )
    files = JobFolder(folder)
    files.open(
        job,
        {
            "train": router_rows(ids[:80], label_qm[:80]),
            "validation": router_rows(ids[80:], label_qm[80:]),
        },
    )
    return files


def reward_job(folder, encoder_folder, **settings):
    """A job of pairs in which the response that says good is the better one."""
    text = RewardText(TextTokenizer(load_tokenizer(encoder_folder), MAX_TOKENS))
    prompts = [f"question {n}" for n in range(60)]
    chosen, rejected = (
        [text.row(prompt, word).ids for prompt in prompts] for word in ("easy", "hard")
    )
    fields = {"epochs": 4, "learning_rate": 3e-3, "batch_size": 8}
    job = TrainJob(
        encoder=BaseEncoder(name=str(encoder_folder), max_tokens=MAX_TOKENS),
        settings=TrainSettings(**{**fields, **settings}),
        loss="pairs",
        n_logits=1,
        pad_id=text.tokenizer.pad_id,
        source_position=0,
        digest="pairs",
    )
    files = JobFolder(folder)
    files.open(
        job,
        {
            "train": pair_rows(chosen[:40], rejected[:40]),
            "validation": pair_rows(chosen[40:], rejected[40:]),
        },
    )
    return files
