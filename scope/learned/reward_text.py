"""The text that a reward model reads: a prompt and a response, in one of two forms."""

from typing import Literal

from scope.errors import ConfigError
from scope.learned.foreign_types import Tokenizer
from scope.learned.token_rows import TextTokenizer, TokenRow

TextForm = Literal["human_assistant", "chat"]
"""``Human: {prompt} Assistant: {response}``, or the chat template of the tokenizer."""

PROMPT_MARK, RESPONSE_MARK = "\ue000prompt\ue001", "\ue000response\ue001"


class RewardText:
    """Makes token rows of (prompt, response) pairs.

    A row that is too long keeps at least half of its room for the response: first the end of
    the prompt is cut, then the end of the response.

    Parameters
    ----------
    tokenizer : TextTokenizer
    form : TextForm

    Raises
    ------
    ConfigError
        If the tokenizer has no chat template, or one that changes what is said.
    """

    def __init__(self, tokenizer: TextTokenizer, form: TextForm = "human_assistant") -> None:
        self.tokenizer = tokenizer
        frame = self._human_assistant() if form == "human_assistant" else self._chat()
        self._before, self._between, self._after = frame
        self._room = tokenizer.room - sum(map(len, frame))
        if form == "chat":  # the template brings the special tokens
            self._room += len(tokenizer.frame([]))
        if self._room < 2:
            raise ConfigError("the text form leaves no room for a prompt and a response")
        self._form = form

    def row(self, prompt: str, response: str) -> TokenRow:
        """Return the row of one pair; special tokens in it are read as their characters."""
        try:
            (prompt + response).encode()
        except UnicodeEncodeError:
            return TokenRow([], 0, False, "the text is not valid Unicode")
        encode = self.tokenizer.plain_ids
        spaced = self._form == "human_assistant"
        prompt_ids, response_ids = encode(prompt), encode(f" {response}" if spaced else response)
        n_tokens = len(prompt_ids) + len(response_ids)
        kept = prompt_ids[: max(self._room - len(response_ids), self._room // 2)]
        content = [
            *self._before,
            *kept,
            *self._between,
            *response_ids[: self._room - len(kept)],
            *self._after,
        ]
        ids = self.tokenizer.frame(content) if spaced else content
        return TokenRow(ids, n_tokens, n_tokens > self._room)

    def _human_assistant(self) -> tuple[list[int], list[int], list[int]]:
        encode = self.tokenizer.plain_ids
        return encode("Human:"), encode(" Assistant:"), []

    def _chat(self) -> tuple[list[int], list[int], list[int]]:
        raw: Tokenizer = self.tokenizer.tokenizer
        if not raw.chat_template:
            raise ConfigError("the reward model's tokenizer has no chat template")
        turns = [
            {"role": "user", "content": PROMPT_MARK},
            {"role": "assistant", "content": RESPONSE_MARK},
        ]
        text = raw.apply_chat_template(turns, tokenize=False)
        if text.count(PROMPT_MARK) != 1 or text.count(RESPONSE_MARK) != 1:
            raise ConfigError("the chat template does not hold prompt and response once each")
        before, rest = text.split(PROMPT_MARK)
        between, after = rest.split(RESPONSE_MARK)
        ids = [
            raw(part, add_special_tokens=False)["input_ids"] for part in (before, between, after)
        ]
        return ids[0], ids[1], ids[2]
