"""GRPO: replies that are sampled and rewarded teach probabilities (`pipelines.finetune.reward`)."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.finetune.job import FinetuneJob, PolicySettings
from pipelines.finetune.reward import group_rewards, length_reward
from pipelines.finetune.trainer import (
    common_arguments,
    load_network,
    lora_config,
    open_job,
    run_trainer,
)
from pipelines.train.loop import Report
from scope.errors import ConfigError
from scope.reasoner import (
    FORCED_POOL_PREFIX,
    FORCED_PREFIX,
    ParsedReply,
    PromptTokenizer,
    parse_pool_reply,
    parse_reply,
)


def train_grpo(folder: Path, report: Report) -> None:
    """Train the job in `folder` by the rewards of sampled replies, from its last checkpoint.

    Every process of a distributed job calls it.

    Parameters
    ----------
    folder : Path
        Of `FinetuneFolder`; on a disk that all processes share.
    report : callable
        Receives the progress.

    Raises
    ------
    ConfigError
        If the checkpoint cannot be loaded.
    OutputWriteError
        If the disk is full.
    """
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    files, job, tokenizer = open_job(folder)
    assert job.policy is not None
    reward = GroupReward(job, job.policy, PromptTokenizer(tokenizer, job.reasoner.checkpoint))
    columns = ("prompt", "correct", "tokens")
    rows = [{name: row[name] for name in columns} for row in files.rows("train")]
    n_models = max(len(row["correct"]) for row in rows)
    trainer = GRPOTrainer(
        model=load_network(job),
        reward_funcs=reward,
        args=GRPOConfig(
            **common_arguments(job.settings, folder),
            **_policy_arguments(job.policy),
            max_completion_length=job.reasoner.max_new_tokens(n_models),
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora_config(job.settings),
    )
    reward.network = trainer.model
    run_trainer(trainer, files, report)


def check_policy(policy: PolicySettings, n_workers: int, num_gpus: float) -> None:
    """Raise `ConfigError` if replies cannot be sampled as wanted."""
    if policy.vllm is not None and not num_gpus:
        raise ConfigError(f"--vllm {policy.vllm} needs --num-gpus; on a CPU leave it out")
    if (policy.vllm == "server") != (policy.vllm_url is not None):
        raise ConfigError("--vllm server and --vllm-url need each other; give both or neither")
    if policy.vllm == "colocate" and n_workers > 1 and num_gpus < 1:
        raise ConfigError("--vllm colocate needs a whole GPU for each worker; raise --num-gpus")


def _policy_arguments(policy: PolicySettings) -> dict[str, Any]:
    """Return the arguments of TRL that make each step follow the gradient of the score.

    Replies are drawn from the policy as it is, without truncation of its distribution. Advantages
    are not divided by the group's deviation, nor losses by the length of each reply: either
    would change what the rewards are worth to each other.
    """
    vllm: dict[str, Any] = {}
    if policy.vllm is not None:
        vllm = {"use_vllm": True, "vllm_mode": policy.vllm}
    if policy.vllm_url is not None:
        vllm["vllm_server_base_url"] = policy.vllm_url
    return {
        "num_generations": policy.group_size,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "scale_rewards": "none",
        "loss_type": "dr_grpo",
        "beta": policy.kl,
        **vllm,
    }


class GroupReward:
    """Rewards completions, whole groups at a time; TRL calls it.

    Parameters
    ----------
    job : FinetuneJob
    policy : PolicySettings
    tokens : PromptTokenizer
        Of the checkpoint.
    """

    __name__ = "reward"

    def __init__(self, job: FinetuneJob, policy: PolicySettings, tokens: PromptTokenizer) -> None:
        self.network: Any = None
        """The policy, which the score ``log`` reads probabilities off."""
        self._policy, self._tokens = policy, tokens
        self._is_pool = job.reasoner.form == "pool"
        prefix = FORCED_POOL_PREFIX if self._is_pool else FORCED_PREFIX
        self._prefix = prefix if job.reasoner.reasoning == "none" else ""

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        correct: Sequence[Sequence[float]],
        tokens: Sequence[Sequence[float]],
        **extra: Any,  # noqa: ANN401 (what else TRL passes)
    ) -> list[float | None]:
        """Return the reward of each completion.

        Parameters
        ----------
        prompts, completions : sequence of str
            The members of a group follow each other.
        completion_ids : sequence of sequence of int
        correct, tokens : sequence of sequence of float
            Outcome and length of each target model.
        extra
            ``log_metric`` is used.
        """
        size, rewards = self._policy.group_size, list[float | None]()
        replies = [
            self._parse(self._prefix + text, len(of_models))
            for text, of_models in zip(completions, correct, strict=True)
        ]
        p_yes: list[list[float]] | None = None
        if self._policy.score == "log":
            p_yes = self.probabilities(prompts, completion_ids)
        for start in range(0, len(prompts), size):
            group = range(start, start + size)
            by_model = [
                group_rewards(
                    [replies[g][m] for g in group],
                    None if p_yes is None else [_at(p_yes[g], m) for g in group],
                    correct[start][m],
                    tokens[start][m],
                    self._policy.score,
                    self._policy.weights,
                )
                for m in range(len(correct[start]))
            ]
            rewards += np.mean(by_model, axis=0).tolist()
        if "log_metric" in extra:
            self._log(replies, correct, tokens, extra["log_metric"])
        return rewards

    def _parse(self, text: str, n_models: int) -> list[ParsedReply]:
        """Return what a reply says of each model."""
        return parse_pool_reply(text, n_models) if self._is_pool else [parse_reply(text)]

    @staticmethod
    def _log(
        replies: list[list[ParsedReply]],
        correct: Sequence[Sequence[float]],
        tokens: Sequence[Sequence[float]],
        log_metric: Callable[[str, float], None],
    ) -> None:
        """Log the parts of the reward: answers that can be parsed, are yes, are right, lengths."""
        cells = [
            cell
            for of_models in zip(replies, correct, tokens, strict=True)
            for cell in zip(*of_models, strict=True)
        ]
        answers = [(reply.correct, right) for reply, right, _ in cells if reply.correct is not None]
        lengths = [
            length_reward(reply.tokens, actual)
            for reply, _, actual in cells
            if reply.tokens is not None
        ]
        log_metric("parsed", len(answers) / len(cells))
        if answers:
            log_metric("yes", float(np.mean([is_yes for is_yes, _ in answers])))
            right = [outcome if is_yes else 1 - outcome for is_yes, outcome in answers]
            log_metric("right", float(np.mean(right)))
        if lengths:
            log_metric("length", float(np.mean(lengths)))

    def probabilities(
        self, prompts: Sequence[str], completion_ids: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """Return the policy's probability of yes at each answer of each completion."""
        answers = (self._tokens.yes_id, self._tokens.no_id)
        p_yes = []
        for prompt, ids in zip(prompts, completion_ids, strict=True):
            before = self._tokens.encode(prompt)
            places = [place for place, token in enumerate(ids) if token in answers]
            if not self._is_pool:
                places = places[-1:]  # an analysis may say yes or no as well
            p_yes.append([self._p_yes([*before, *ids[:place]]) for place in places])
        return p_yes

    def _p_yes(self, ids: Sequence[int]) -> float:
        import torch

        with torch.no_grad():
            device = next(self.network.parameters()).device
            output = self.network(torch.tensor([ids], device=device), logits_to_keep=1)
        answers = [self._tokens.yes_id, self._tokens.no_id]
        return float(output.logits[0, -1, answers].float().softmax(dim=0)[0])


def _at(values: Sequence[float], index: int) -> float:
    """Return one value; NaN where there are fewer."""
    return values[index] if index < len(values) else math.nan
