"""GRPO: replies that are sampled and rewarded teach probabilities (`pipelines.finetune.reward`)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.finetune.job import FinetuneFolder, FinetuneJob, PolicySettings
from pipelines.finetune.reward import group_rewards
from pipelines.finetune.trainer import (
    common_arguments,
    load_network,
    load_tokenizer,
    lora_config,
    run_trainer,
)
from pipelines.train.loop import Report
from scope.errors import ConfigError
from scope.reasoner import FORCED_PREFIX, PromptTokenizer, parse_reply


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
    from transformers import set_seed
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    files = FinetuneFolder(folder)
    job = files.job()
    assert job.policy is not None
    set_seed(job.settings.seed)
    tokenizer = load_tokenizer(job)
    reward = GroupReward(job, job.policy, PromptTokenizer(tokenizer, job.reasoner.checkpoint))
    columns = ("prompt", "correct", "tokens")
    rows = [{name: row[name] for name in columns} for row in files.rows("train")]
    trainer = GRPOTrainer(
        model=load_network(job),
        reward_funcs=reward,
        args=GRPOConfig(
            **common_arguments(job.settings, folder),
            **_policy_arguments(job.policy),
            max_completion_length=job.reasoner.max_new_tokens(),
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
        self._prefix = FORCED_PREFIX if job.reasoner.reasoning == "none" else ""

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
        replies = [parse_reply(self._prefix + text) for text in completions]
        p_yes = None
        if self._policy.score == "log":
            p_yes = self.probabilities(prompts, completion_ids)
        for start in range(0, len(prompts), size):
            group = slice(start, start + size)
            rewards += group_rewards(
                replies[group],
                None if p_yes is None else p_yes[group],
                correct[start][0],
                tokens[start][0],
                self._policy.score,
                self._policy.weights,
            ).tolist()
        if "log_metric" in extra:
            answers = [reply.correct for reply in replies if reply.correct is not None]
            extra["log_metric"]("parsed", len(answers) / len(replies))
            if answers:
                extra["log_metric"]("yes", sum(answers) / len(answers))
        return rewards

    def probabilities(
        self, prompts: Sequence[str], completion_ids: Sequence[Sequence[int]]
    ) -> list[float]:
        """Return the policy's probability of yes where each completion answers; NaN without."""
        answers = (self._tokens.yes_id, self._tokens.no_id)
        p_yes = []
        for prompt, ids in zip(prompts, completion_ids, strict=True):
            place = next((i for i in reversed(range(len(ids))) if ids[i] in answers), None)
            known = place is not None
            p_yes.append(
                self._p_yes([*self._tokens.encode(prompt), *ids[:place]]) if known else math.nan
            )
        return p_yes

    def _p_yes(self, ids: Sequence[int]) -> float:
        import torch

        with torch.no_grad():
            device = next(self.network.parameters()).device
            output = self.network(torch.tensor([ids], device=device), logits_to_keep=1)
        answers = [self._tokens.yes_id, self._tokens.no_id]
        return float(output.logits[0, -1, answers].float().softmax(dim=0)[0])
