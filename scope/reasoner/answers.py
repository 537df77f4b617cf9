"""Answers of the reasoner as probabilities, and the engine parameters that they rely on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from scope.arrays import FloatArray
from scope.reasoner.pool_reply import FORCED_POOL_PREFIX, parse_pool_reply, pool_reply_grammar
from scope.reasoner.reply import FORCED_PREFIX, ParsedReply, parse_reply, reply_grammar
from scope.reasoner.spec import ReasonerConfig, Reasoning
from scope.reasoner.tokenizer import PromptTokenizer

ENGINE_ARGS: dict[str, Any] = {
    "logprobs_mode": "processed_logprobs",
    "structured_outputs_config": {"backend": "guidance"},
    "enable_prefix_caching": True,
}
"""vLLM settings that answers rely on: log probabilities are over the tokens that the grammar
permits."""

UNTRUNCATED_SAMPLING = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Explicit, because a vLLM endpoint otherwise applies the checkpoint's ``generation_config.json``
(Qwen3: top_p 0.8, which would turn a yes of probability 0.8 into a certain one)."""

LOGPROBS = 5
"""Log probabilities returned for each token; at the answer only two are finite."""


@dataclass(frozen=True, slots=True)
class ReasonerPrediction:
    """Prediction of the reasoner for one model on one question; NaN where unknown.

    Attributes
    ----------
    p_yes : float
        Probability that the model answers correctly.
    tokens : float
        Tokens of the model's answer.
    """

    p_yes: float = math.nan
    tokens: float = math.nan


@dataclass(frozen=True, slots=True)
class ReasonerPredictions:
    """Predictions of the reasoner for many questions and models.

    Attributes
    ----------
    p_yes_qm, tokens_qm : ndarray of shape (n_questions, n_models)
        NaN where the reasoner was not queried or its reply could not be parsed.
    """

    p_yes_qm: FloatArray
    tokens_qm: FloatArray


def p_yes(logprob_yes: float, logprob_no: float, temperature: float) -> float:
    """Return the probability of yes, normalised over yes and no, at temperature 1.

    Parameters
    ----------
    logprob_yes, logprob_no : float
        As the engine returns them: computed from logits divided by `temperature`.
    temperature : float
        0 for a greedy reply, whose logits the engine does not scale.

    Returns
    -------
    float
        In [0, 1]; NaN if both inputs are minus infinity or one is NaN.

    Examples
    --------
    >>> round(p_yes(math.log(0.9), math.log(0.1), 0.0), 3)
    0.9
    >>> round(p_yes(math.log(0.99), math.log(0.01), 0.5), 3)  # logits were doubled
    0.909
    """
    if logprob_yes == logprob_no == -math.inf:
        return math.nan
    log_odds = (logprob_yes - logprob_no) * (temperature or 1.0)
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def parse_prediction(
    text: str,
    token_ids: Sequence[int],
    logprobs: Sequence[Mapping[int, float]],
    yes_id: int,
    no_id: int,
    *,
    reasoning: Reasoning,
    temperature: float,
) -> ReasonerPrediction:
    """Return the prediction in a reply that was generated under the grammar.

    Parameters
    ----------
    text : str
        Generated text.
    token_ids : sequence of int
        Generated tokens.
    logprobs : sequence of mapping, one for each token
        Token -> log probability of the most probable tokens at that position.
    yes_id, no_id : int
        Tokens of the two answers.
    reasoning : {"full", "short", "none"}
    temperature : float
        Sampling temperature of the reply.

    Returns
    -------
    ReasonerPrediction
        NaN throughout if the reply is incomplete; `p_yes` is NaN if the engine returned no
        log probabilities for the answer.
    """
    reply = parse_reply(FORCED_PREFIX + text if reasoning == "none" else text, constrained=True)
    (prediction,) = _predictions([reply], token_ids, logprobs, yes_id, no_id, temperature)
    return prediction


def parse_pool_prediction(
    text: str,
    token_ids: Sequence[int],
    logprobs: Sequence[Mapping[int, float]],
    yes_id: int,
    no_id: int,
    *,
    n_models: int,
    reasoning: Reasoning,
    temperature: float,
) -> list[ReasonerPrediction]:
    """Return the predictions in a reply about a pool, one for each model in order.

    The parameters are those of `parse_prediction`. A line that is missing is NaN throughout.
    """
    reply = FORCED_POOL_PREFIX + text if reasoning == "none" else text
    replies = parse_pool_reply(reply, n_models)
    return _predictions(replies, token_ids, logprobs, yes_id, no_id, temperature)


def parse_predictions(
    text: str,
    token_ids: Sequence[int],
    logprobs: Sequence[Mapping[int, float]],
    yes_id: int,
    no_id: int,
    *,
    config: ReasonerConfig,
    n_models: int,
) -> list[ReasonerPrediction]:
    """Return the predictions in a reply of either form, one for each model of its prompt.

    The parameters are those of `parse_prediction`; `n_models` is the number of models that a prompt
    of form ``pool`` is about.
    """
    reply = (text, token_ids, logprobs, yes_id, no_id)
    reasoning, temperature = config.reasoning, config.temperature
    if config.form == "pool":
        return parse_pool_prediction(
            *reply, n_models=n_models, reasoning=reasoning, temperature=temperature
        )
    return [parse_prediction(*reply, reasoning=reasoning, temperature=temperature)]


def _predictions(
    replies: Sequence[ParsedReply],
    token_ids: Sequence[int],
    logprobs: Sequence[Mapping[int, float]],
    yes_id: int,
    no_id: int,
    temperature: float,
) -> list[ReasonerPrediction]:
    """Return the predictions of the last answers in a text; the answers parsed come first."""
    n_stated = sum(reply.correct is not None for reply in replies)
    n_read = min(len(token_ids), len(logprobs))
    positions = [i for i in range(n_read) if token_ids[i] in (yes_id, no_id)]
    last: list[int | None] = [None] * n_stated
    last = [*last, *positions][-n_stated:] if n_stated else []
    predictions = []
    for reply, position in zip_longest(replies, last):
        tokens = math.nan if reply.tokens is None else float(reply.tokens)
        if position is None or (token_ids[position] == yes_id) != reply.correct:
            predictions.append(ReasonerPrediction(tokens=tokens))
            continue
        yes, no = (logprobs[position].get(token, math.nan) for token in (yes_id, no_id))
        predictions.append(ReasonerPrediction(p_yes(yes, no, temperature), tokens))
    return predictions


def average_predictions(predictions: Sequence[ReasonerPrediction]) -> ReasonerPrediction:
    """Return the mean of several replies to one prompt; NaN values are ignored.

    Examples
    --------
    >>> first, second = ReasonerPrediction(0.2, 100.0), ReasonerPrediction(0.4, 200.0)
    >>> average_predictions([first, second, ReasonerPrediction()])
    ReasonerPrediction(p_yes=0.30000000000000004, tokens=150.0)
    """
    return ReasonerPrediction(
        _nan_mean([prediction.p_yes for prediction in predictions]),
        _nan_mean([prediction.tokens for prediction in predictions]),
    )


def sampling_params(
    config: ReasonerConfig, tokenizer: PromptTokenizer, n_models: int = 1
) -> dict[str, Any]:
    """Return the vLLM sampling parameters of one reply, about `n_models` with form ``pool``.

    Only the temperature changes the probabilities, and `p_yes` reverses it. There is no seed:
    a seed for each request slows a batch down, and crashes vLLM on a CPU.
    """
    answer_ids = (tokenizer.yes_id, tokenizer.no_id)
    if config.form == "pool":
        grammar = pool_reply_grammar(
            n_models, *answer_ids, config.reasoning, config.reasoning_tokens
        )
    else:
        grammar = reply_grammar(config.reasoning, config.reasoning_tokens, *answer_ids)
    return {
        **UNTRUNCATED_SAMPLING,
        "temperature": config.temperature,
        "max_tokens": config.max_new_tokens(n_models),
        "logprobs": LOGPROBS,
        "structured_outputs": {"grammar": grammar},
    }


def _nan_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
