"""Answers of the reasoner as probabilities, and what an engine must be told to give them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scope.arrays import FloatArray
from scope.reasoner.reply import FORCED_PREFIX, parse_reply, reply_grammar
from scope.reasoner.spec import ReasonerConfig, Reasoning
from scope.reasoner.tokenizer import PromptTokenizer

ENGINE_ARGS: dict[str, Any] = {
    "logprobs_mode": "processed_logprobs",
    "structured_outputs_config": {"backend": "guidance"},
    "enable_prefix_caching": True,
}
"""Settings of vLLM that answers rest on: log probabilities among what the grammar permits."""

UNTRUNCATED_SAMPLING = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Said aloud, or an endpoint of vLLM takes what the checkpoint's ``generation_config.json`` says
(Qwen3: top_p .8, which would make a yes of .8 a certain one)."""

LOGPROBS = 5
"""Tokens whose log probabilities are returned; at the answer only two are finite."""


@dataclass(frozen=True, slots=True)
class ReasonerPrediction:
    """What the reasoner foretells of one model on one question; NaN where unknown.

    Attributes
    ----------
    p_yes : float
        Probability that the model answers correctly.
    tokens : float
        Length of its answer.
    """

    p_yes: float = math.nan
    tokens: float = math.nan


@dataclass(frozen=True, slots=True)
class ReasonerPredictions:
    """Answers of many questions and models.

    Attributes
    ----------
    p_yes_qm, tokens_qm : ndarray of shape (n_questions, n_models)
        NaN where not asked, or not understood.
    """

    p_yes_qm: FloatArray
    tokens_qm: FloatArray


def p_yes(logprob_yes: float, logprob_no: float, temperature: float) -> float:
    """Return the probability of yes against no, whatever the temperature was.

    Parameters
    ----------
    logprob_yes, logprob_no : float
        As the engine gives them: of logits over `temperature`, which is undone here.
    temperature : float
        0 for a greedy reply, whose logits the engine does not scale.

    Returns
    -------
    float
        NaN if both are minus infinity or one is unknown.

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
    """Return what a reply made under the grammar answers.

    Parameters
    ----------
    text : str
        What the engine generated.
    token_ids : sequence of int
        Its tokens.
    logprobs : sequence of mapping, one for each token
        From token to log probability, of the likeliest at that place.
    yes_id, no_id : int
        Tokens of the two answers.
    reasoning : {"full", "short", "none"}
    temperature : float
        It was generated at.

    Returns
    -------
    Answer
        Unknown throughout if the reply is not complete; its probability is if the engine
        gave none at the answer.
    """
    reply = parse_reply(FORCED_PREFIX + text if reasoning == "none" else text, sealed=True)
    if reply.correct is None:
        return ReasonerPrediction()
    tokens = math.nan if reply.tokens is None else float(reply.tokens)
    places = range(min(len(token_ids), len(logprobs)) - 1, -1, -1)
    place = next((i for i in places if token_ids[i] in (yes_id, no_id)), None)
    if place is None or (token_ids[place] == yes_id) != reply.correct:
        return ReasonerPrediction(tokens=tokens)
    yes, no = (logprobs[place].get(token, math.nan) for token in (yes_id, no_id))
    return ReasonerPrediction(p_yes(yes, no, temperature), tokens)


def average_predictions(answers: Sequence[ReasonerPrediction]) -> ReasonerPrediction:
    """Return the mean of several replies to one prompt, of what is known of each.

    Examples
    --------
    >>> first, second = ReasonerPrediction(0.2, 100.0), ReasonerPrediction(0.4, 200.0)
    >>> average_predictions([first, second, ReasonerPrediction()])
    ReasonerPrediction(p_yes=0.30000000000000004, tokens=150.0)
    """
    return ReasonerPrediction(
        _mean([answer.p_yes for answer in answers]), _mean([answer.tokens for answer in answers])
    )


def sampling_params(config: ReasonerConfig, tokens: PromptTokenizer) -> dict[str, Any]:
    """Return the sampling parameters of one reply, for any shell of vLLM.

    Nothing but the temperature may change the probabilities, which `p_yes` undoes. There is no
    seed: one for each request makes a batch slow, and crashes vLLM on a CPU.
    """
    grammar = reply_grammar(config.reasoning, config.reasoning_tokens, tokens.yes_id, tokens.no_id)
    return {
        **UNTRUNCATED_SAMPLING,
        "temperature": config.temperature,
        "max_tokens": config.max_new_tokens,
        "logprobs": LOGPROBS,
        "structured_outputs": {"grammar": grammar},
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
