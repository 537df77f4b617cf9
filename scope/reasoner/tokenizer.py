"""The tokenizer and chat template of a checkpoint of the reasoner."""

import re
from functools import cached_property
from typing import Any, cast

from scope.errors import ConfigError, first_line
from scope.reasoner.spec import check_folder, is_local_path

TRUNCATION_MARK = " […] "
"""Replaces the part that was cut out of a text."""

ANSWER_TOKENS = (" yes", " no")

_TAG = re.compile(r"<[^\s<>]+>|\[/?[A-Z_]{2,}\]")


class PromptTokenizer:
    """The tokenizer of a checkpoint.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerFast
    name : str
        Name of the checkpoint, for messages.

    Raises
    ------
    ConfigError
        If the tokenizer has no chat template, is not a fast one (which maps tokens to character
        offsets), or does not encode each answer as one token.
    """

    def __init__(self, tokenizer: object, name: str) -> None:
        self._tokenizer = cast(Any, tokenizer)
        if not self._tokenizer.chat_template:
            raise ConfigError(f"checkpoint {name!r} has no chat template; expected an instruct one")
        if not self._tokenizer.is_fast:
            raise ConfigError(f"checkpoint {name!r} has no fast tokenizer (tokenizer.json)")
        self.yes_id, self.no_id = (self._one_token(answer, name) for answer in ANSWER_TOKENS)
        self.n_special_tokens = len(self._tokenizer.encode(""))
        """Number of tokens that an engine adds before or after any text."""
        self._mark_tokens = self.count(TRUNCATION_MARK)

    @classmethod
    def load(
        cls, checkpoint: str, revision: str | None = None, trust_remote_code: bool = False
    ) -> "PromptTokenizer":
        """Load the tokenizer of a checkpoint.

        Raises
        ------
        ConfigError
            If the tokenizer cannot be loaded or used.
        """
        if is_local_path(checkpoint):
            check_folder(checkpoint)
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(
                checkpoint, revision=revision, trust_remote_code=trust_remote_code
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ConfigError(
                f"the tokenizer of checkpoint {checkpoint!r} cannot be loaded; expected a folder "
                f"or a Hugging Face name: {first_line(error)}"
            ) from error
        return cls(tokenizer, checkpoint)

    def _one_token(self, answer: str, name: str) -> int:
        ids = self._ids(answer)
        if len(ids) != 1:
            raise ConfigError(
                f"checkpoint {name!r} encodes {answer!r} as {len(ids)} tokens; expected one, "
                "whose probability is that of the answer"
            )
        return ids[0]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` as an engine reads it, with special tokens."""
        ids: list[int] = self._tokenizer.encode(text)
        return ids

    def encode_reply(self, reply: str) -> list[int]:
        """Return the tokens that an engine writes for `reply`, the end of the turn included."""
        return [*self._ids(reply), self._tokenizer.eos_token_id]

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens."""
        return len(self._ids(text))

    def truncate_middle(self, text: str, n_tokens: int) -> str:
        """Return `text` with at most `n_tokens` tokens: whole, or its head and tail.

        The middle is cut because the task of a question is usually at its beginning or end.
        """
        spans = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)[
            "offset_mapping"
        ]
        if len(spans) <= n_tokens:
            return text
        kept = n_tokens - self._mark_tokens
        while kept > 1:
            head, tail = (kept + 1) // 2, kept // 2
            short = text[: spans[head - 1][1]] + TRUNCATION_MARK + text[spans[-tail][0] :]
            # A part can have other tokens than it had within the whole.
            excess = self.count(short) - n_tokens
            if excess <= 0:
                return short
            kept -= excess
        return ""

    def apply_chat_template(self, user_text: str, prefix: str = "") -> str:
        """Return the text of a chat with one user turn, followed by `prefix` of the reply."""
        text: str = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": user_text}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # a thinking section would precede the forced prefix
        )
        bos = self._tokenizer.bos_token
        if self.n_special_tokens and bos and text.startswith(bos):
            text = text[len(bos) :]  # the engine adds it
        return text + prefix

    @cached_property
    def special_tokens(self) -> tuple[str, ...]:
        """Words that are encoded as one control token: ends of turns, roles, thinking marks."""
        added = self._tokenizer.added_tokens_decoder.values()
        words = {str(token) for token in added if token.special or _TAG.fullmatch(str(token))}
        return tuple(sorted(word for word in words if len(word) > 1 and word.strip() == word))
