"""Reward models: one number for a prompt and a response, higher is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.embedding import resolve_model
from scope.errors import ConfigError
from scope.learned.foreign_types import Module
from scope.learned.network import WEIGHTS, best_device, load_reward_network, run_rows, save_weights
from scope.learned.reward_text import RewardText, TextForm
from scope.learned.spec import RewardSpec
from scope.learned.store import REWARD, read_spec, write_spec
from scope.learned.token_rows import TextTokenizer, default_max_tokens, load_tokenizer
from scope.storage import atomic_folder


@dataclass(frozen=True, slots=True)
class RewardScores:
    """Scores of responses, with what went wrong.

    Attributes
    ----------
    score_n : ndarray of shape (n_responses,)
        Higher is better; NaN for a response with an error.
    errors : list of str
        Empty for the responses that have a score.
    truncated_n : ndarray of shape (n_responses,)
        Prompts with responses that were longer than the model reads.
    """

    score_n: FloatArray
    errors: list[str]
    truncated_n: BoolArray


class RewardModel:
    """A sequence-classification network with one output, loaded once; `load` reads one."""

    def __init__(self, network: Module, text: RewardText, spec: RewardSpec | None = None) -> None:
        self.network, self.text = network, text
        self.spec = spec
        """Of a model that this project trained; None for any other."""

    @classmethod
    def load(
        cls,
        name_or_folder: Path | str,
        *,
        form: TextForm = "human_assistant",
        revision: str | None = None,
        max_tokens: int | None = None,
        trust_remote_code: bool = False,
        device: str | None = None,
    ) -> "RewardModel":
        """Load a reward model.

        Parameters
        ----------
        name_or_folder : str or Path
            A folder of ``scope train reward``, or a sequence-classification model by folder or
            Hugging Face name.
        form : TextForm
            ``chat`` for models such as ArmoRM, whose text is a chat template.
        revision : str, optional
            Commit of a Hugging Face name.
        max_tokens : int, optional
            Tokens that are read; None takes the limit of the model, at most 512.
        trust_remote_code : bool
            Run code that comes with the model, as ArmoRM needs.
        device : str, optional
            Of torch; None takes a GPU if there is one.

        Raises
        ------
        ConfigError
            If it cannot be loaded, or has not one output.
        """
        source, spec = str(name_or_folder), None
        if (Path(source) / REWARD).is_file():
            spec = read_spec(Path(source), REWARD, RewardSpec)
        raw = load_tokenizer(
            resolve_model(source, revision)[0], revision, trusted=trust_remote_code
        )
        network = load_reward_network(source, revision, trusted=trust_remote_code)
        check_one_output(network, source)
        limit = max_tokens or (spec and spec.encoder.max_tokens)
        tokenizer = TextTokenizer(raw, limit or default_max_tokens(raw, network.config))
        return cls(network.to(device or best_device()), RewardText(tokenizer, form), spec)

    def save(self, folder: Path, spec: RewardSpec, *, replace: bool = False) -> None:
        """Write weights, configuration, tokenizer and manifest, whole or not at all."""
        with atomic_folder(folder, replace=replace) as draft:
            save_weights(self.network, draft / WEIGHTS)
            self.network.config.save_pretrained(str(draft))
            self.text.tokenizer.tokenizer.save_pretrained(str(draft))
            write_spec(draft, REWARD, spec)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> FloatArray:
        """Return the score of each (prompt, response), NaN where it cannot be encoded."""
        return self.score_with_errors(prompts, responses).score_n

    def score_with_errors(self, prompts: Sequence[str], responses: Sequence[str]) -> RewardScores:
        """Return the scores, the errors, and which texts were cut."""
        pairs = list(zip(prompts, responses, strict=True))
        # Samples of one prompt are often alike: each text is read once.
        place = {pair: n for n, pair in enumerate(dict.fromkeys(pairs))}
        different = [self.text.row(*pair) for pair in place]
        at_n = [place[pair] for pair in pairs]
        rows = [different[n] for n in at_n]
        pad_id = self.text.tokenizer.pad_id
        score_n = run_rows(self.network, [row.ids for row in different], pad_id, 1)[at_n, 0]
        errors = [
            row.error or ("" if np.isfinite(score) else "the reward model gave no finite value")
            for row, score in zip(rows, score_n, strict=True)
        ]
        score_n[~np.isfinite(score_n)] = np.nan
        truncated_n = np.array([row.truncated for row in rows], dtype=np.bool_)
        return RewardScores(score_n, errors, truncated_n)


def check_one_output(network: Module, source: str) -> None:
    """Raise `ConfigError` unless a classification network has one output."""
    found = getattr(network.config, "num_labels", 1)
    is_gated = type(network).__name__.endswith("ForRewardModelWithGating")
    if found != 1 and not is_gated:
        raise ConfigError(f"reward model {source!r} has {found} outputs; expected 1")
