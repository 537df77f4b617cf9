"""A tiny random LLM through data, SFT and GRPO, with real libraries and a real Ray."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipelines.finetune.grpo import GroupReward, train_grpo
from pipelines.finetune.job import FinetuneFolder, FinetuneSettings, PolicySettings
from pipelines.finetune.run import Training, finetune
from pipelines.finetune.sft import train_sft
from pipelines.terminal import Stages
from pipelines.train.loop import CHECKPOINTS, last_checkpoint
from scope.errors import ConfigError
from scope.reasoner import PromptTokenizer, ReasonerConfig, TrainingRecord, text_digests
from tests.factories.finetuning import needs_trl, training_data
from tests.pipelines.runs import wait_until

pytestmark = [pytest.mark.train, needs_trl]
FAST = {"learning_rate": 3e-3, "batch_size": 8, "micro_batch_size": 4, "dtype": "float32"}
RUN = """
import sys
from pathlib import Path
from tests.pipelines.finetune.test_training import run
run(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "data"
    training_data().save(folder)
    return folder


def run(data, checkpoint, output, *, method="sft", stages=None, reasoning="none", **settings):
    """Train the tiny checkpoint; returns the result."""
    chosen = FinetuneSettings(**{**FAST, **settings})
    if method == "sft":
        training = Training("sft", train_sft, chosen)
    else:
        training = Training("grpo", train_grpo, chosen, PolicySettings(group_size=4))
    config = ReasonerConfig(checkpoint=str(checkpoint), max_context_tokens=256, reasoning=reasoning)
    return finetune(data, config, training, output, stages=stages)


def losses(result):
    return [entry["eval_loss"] for entry in result.log if "eval_loss" in entry]


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def tuned(cluster, data, checkpoint, tmp_path_factory):
    """A checkpoint that has learned the form of replies; and the result of its training."""
    output = tmp_path_factory.mktemp("tuned") / "tuned"
    return output, run(data, checkpoint, output, epochs=3)


def test_sft_learns(tuned):
    """
    The loss of validation replies, which it was not trained on, falls.
    """
    _, result = tuned

    assert losses(result)[-1] < 0.5 * losses(result)[0]


def test_the_folder_is_a_checkpoint_with_its_record(tuned, checkpoint, data):
    """
    Weights, tokenizer, template, record, log, picture and card.
    """
    folder, result = tuned
    record = TrainingRecord.read(str(folder))

    assert record == result.record
    assert PromptTokenizer.load(str(folder)).yes_id
    assert (folder / "training.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "prompt.jinja").read_text() == (data / "prompt.jinja").read_text()
    card = (folder / "README.md").read_text()
    assert f"`{record.bank}`" in card
    assert "| learning_rate | `0.003` |" in card
    assert not folder.with_name(f".{folder.name}.unfinished").exists()
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_the_record_has_every_question_that_was_seen(tuned):
    """
    And none of the hold-out.
    """
    made, (_, result) = training_data(), tuned
    held_out = [
        text for text, split in zip(made.prompts, made.splits, strict=True) if split == "test"
    ]

    assert not any(result.record.seen(held_out))
    seen = [text for text in made.prompts if text not in held_out]
    assert set(result.record.trained_texts) == set(text_digests(seen))


@pytest.fixture(scope="module")
def whole(cluster, data, checkpoint, tmp_path_factory):
    """One epoch by one worker without a break: its folder and its result."""
    output = tmp_path_factory.mktemp("whole") / "whole"
    return output, run(data, checkpoint, output)


def test_two_workers_have_the_loss_of_one(whole, data, checkpoint, tmp_path):
    """
    The same rows in each step, and gradients averaged over all tokens: equal within rounding. In
    the last step, which is not full, two workers repeat some rows.
    """
    two = run(data, checkpoint, tmp_path / "two", n_workers=2)

    assert losses(two)[:-1] == pytest.approx(losses(whole[1])[:-1], rel=1e-3)


def test_grpo_raises_the_reward(whole, data, tmp_path):
    """
    Of a checkpoint that half knows the form of replies. The best is 0.5, for the form and the
    length; the score of answers sums to 0. Six seeds raised it by 0.08 to 0.13.
    """
    folder, _ = whole

    result = run(
        data,
        folder,
        tmp_path / "grpo",
        method="grpo",
        batch_size=32,
        epochs=4,
        learning_rate=5e-4,
    )

    rewards = [entry["reward"] for entry in result.log if "reward" in entry]
    assert result.record.method == "grpo"
    third = len(rewards) // 3
    assert np.mean(rewards[-third:]) > np.mean(rewards[:third]) + 0.04
    assert result.record.settings["score"] == "brier"


def test_a_killed_training_ends_with_the_same_weights(whole, data, checkpoint, tmp_path):
    """
    Killed after a checkpoint; the same call continues from it.
    """
    killed = tmp_path / "killed"
    unfinished = FinetuneFolder(tmp_path / ".killed.unfinished")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(data), str(checkpoint), str(killed)],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        wait_until(lambda: last_checkpoint(unfinished.path / CHECKPOINTS), 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not killed.exists()

    stages = Stages()
    run(data, checkpoint, killed, stages=stages)

    training = next(stage for stage in stages.all if stage.name == "training")
    assert training.earlier > 0
    expected, found = weights(whole[0]), weights(killed)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_the_log_score_reads_the_policy(checkpoint):
    """
    The probability of yes at the answer is the softmax of the two logits there.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    tokens = PromptTokenizer(AutoTokenizer.from_pretrained(checkpoint), "tiny")
    reply = " 12, correct: yes}"
    ids = tokens.encode_reply(reply)
    prompt = "Predicted Performance: {len:"
    before = ids[: ids.index(tokens.yes_id)]
    with torch.no_grad():
        logits = network(torch.tensor([[*tokens.encode(prompt), *before]])).logits[0, -1]
    expected = torch.softmax(logits[[tokens.yes_id, tokens.no_id]], dim=0)[0].item()

    reward = GroupReward(log_job(checkpoint), PolicySettings(score="log", group_size=4), tokens)
    reward.network = network
    found = reward.probabilities([prompt], [ids])

    assert found == [[pytest.approx(expected, abs=1e-6)]]


def log_job(checkpoint):
    from pipelines.finetune.job import FinetuneJob

    return FinetuneJob(
        method="grpo",
        reasoner=ReasonerConfig(checkpoint=str(checkpoint)),
        settings=FinetuneSettings(**FAST),
        digest="",
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"max_context_tokens": 5_000}, "reads at most 4,096", id="context too long"),
        pytest.param({"reasoning": "short"}, "has no analyses to learn", id="no analyses"),
        pytest.param({"checkpoint": "./nowhere"}, "does not exist", id="no checkpoint"),
    ],
)
def test_a_wrong_checkpoint_is_refused_before_training(
    changed, message, data, checkpoint, tmp_path
):
    """
    Before the training, and nothing is written.
    """
    config = ReasonerConfig(**{"checkpoint": str(checkpoint), "max_context_tokens": 256, **changed})
    training = Training("sft", train_sft, FinetuneSettings(**FAST))

    with pytest.raises(ConfigError, match=message):
        finetune(data, config, training, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_refused(data, checkpoint, tmp_path, monkeypatch):
    """
    Two copies of 0.8 million weights and three checkpoints with their moments: 36 MB.
    """
    usage = shutil.disk_usage(tmp_path)._replace(free=30_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    training = Training("sft", train_sft, FinetuneSettings(**FAST, lora_rank=0))
    config = ReasonerConfig(checkpoint=str(checkpoint), max_context_tokens=256)

    with pytest.raises(ConfigError, match=r"needs 36 MB beside .*, where 30 MB are free"):
        finetune(data, config, training, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_a_group_is_never_split_between_workers(data, checkpoint, tmp_path):
    """
    Two workers with 12 replies each cannot have groups of 8.
    """
    settings = FinetuneSettings(**{**FAST, "batch_size": 24, "n_workers": 2})
    training = Training("grpo", train_grpo, settings, PolicySettings(group_size=8))
    config = ReasonerConfig(checkpoint=str(checkpoint), max_context_tokens=256)

    with pytest.raises(ConfigError, match="expected a multiple of the group size 8"):
        finetune(data, config, training, tmp_path / "out")
