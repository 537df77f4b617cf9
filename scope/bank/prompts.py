"""Prompts of the reasoner about the models of a bank."""

from collections.abc import Iterable

from scope.bank.bank import Bank
from scope.bank.examples import nearest_examples, nearest_pool_examples
from scope.reasoner import (
    Example,
    PoolExample,
    PoolPromptBuilder,
    PromptBuilder,
    PromptTokenizer,
    ReasonerConfig,
)


class BankPrompts:
    """Builds prompts about one model of a bank, or with form ``pool`` about all of them.

    Parameters
    ----------
    bank : Bank
        With question texts.
    config : ReasonerConfig
    tokenizer : PromptTokenizer
        Tokenizer of the checkpoint.

    Raises
    ------
    ConfigError
        If the template is invalid, or the context has no room for a prompt.
    """

    def __init__(self, bank: Bank, config: ReasonerConfig, tokenizer: PromptTokenizer) -> None:
        self._bank, self._n_examples = bank, config.n_examples
        self._builder: PromptBuilder | PoolPromptBuilder
        if config.form == "pool":
            self._builder = PoolPromptBuilder.from_config(config, tokenizer, len(bank.models))
            self._builder.check_room(bank.model_ids)
            return
        self._builder = PromptBuilder.from_config(config, tokenizer)
        for model in bank.model_ids:
            self._builder.build(model, [], "")  # raises if the template alone does not fit

    def columns(self, m: int) -> range:
        """Return the columns of the models that a prompt about the m-th asks about, in order."""
        if isinstance(self._builder, PoolPromptBuilder):
            return range(len(self._bank.models))
        return range(m, m + 1)

    def build(self, question: str, anchor_k: Iterable[int], m: int) -> str:
        """Return the prompt about the m-th model, or about all of them.

        Parameters
        ----------
        question : str
        anchor_k : iterable of int
            Indices of anchors in the bank, most similar to the question first.
        m : int
            Column of the model.
        """
        if isinstance(self._builder, PoolPromptBuilder):
            pool_examples = nearest_pool_examples(self._bank, anchor_k, self._n_examples)
            return self._builder.build(self._bank.model_ids, pool_examples, question)
        examples = nearest_examples(self._bank, anchor_k, m, self._n_examples)
        return self._builder.build(self._bank.model_ids[m], examples, question)

    def examples(self, anchor_k: Iterable[int], m: int) -> list[Example] | list[PoolExample]:
        """Return the examples of `build`, before they are cut to the context."""
        if isinstance(self._builder, PoolPromptBuilder):
            return nearest_pool_examples(self._bank, anchor_k, self._n_examples)
        return nearest_examples(self._bank, anchor_k, m, self._n_examples)
