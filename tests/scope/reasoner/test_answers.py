import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.answers import (
    ReasonerPrediction,
    average_predictions,
    p_yes,
    parse_prediction,
    sampling_params,
)
from scope.reasoner.spec import ReasonerConfig
from scope.reasoner.tokenizer import PromptTokenizer

YES, NO, OTHER = 7, 8, 9
LOG_ODDS = st.floats(-30, 30)


def parsed(text=" 312, correct: yes}", ids=(OTHER, YES, OTHER), logprobs=None):
    """The prediction of a reply of three tokens, the second of which is yes with p = 0.8."""
    certain = {OTHER: 0.0}
    logprobs = {YES: math.log(0.8), NO: math.log(0.2)} if logprobs is None else logprobs
    return parse_prediction(
        text, ids, [certain, logprobs, certain], YES, NO, reasoning="none", temperature=0.0
    )


@given(LOG_ODDS, st.floats(0.1, 2.0))
def test_temperature_is_reversed(log_odds, temperature):
    """
    The engine divides the logits by the temperature before the softmax.
    """
    yes, no = (-math.log1p(math.exp(sign * log_odds / temperature)) for sign in (-1, 1))

    assert p_yes(yes, no, temperature) == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-9)


@given(LOG_ODDS)
def test_yes_and_no_sum_to_one(log_odds):
    """
    Also where another token has nearly all of the probability.
    """
    yes, no = p_yes(log_odds - 50, -50, 0.0), p_yes(-50, log_odds - 50, 0.0)

    assert yes + no == pytest.approx(1)


@pytest.mark.parametrize(
    ("yes", "no", "expected"),
    [
        pytest.param(0.0, -math.inf, 1.0, id="no is impossible"),
        pytest.param(-math.inf, 0.0, 0.0, id="yes is impossible"),
        pytest.param(-9999.0, 0.0, 0.0, id="minus infinity as JSON writes it"),
        pytest.param(-math.inf, -math.inf, math.nan, id="both are impossible"),
        pytest.param(math.nan, 0.0, math.nan, id="one is unknown"),
    ],
)
def test_the_ends_of_the_scale(yes, no, expected):
    """
    A certain answer has 0 or 1, an unknown one NaN.
    """
    assert p_yes(yes, no, 0.0) == pytest.approx(expected, nan_ok=True)


def test_a_reply_gives_length_and_probability():
    """
    The probability is read at the token of the answer.
    """
    prediction = parsed()

    assert prediction.tokens == 312
    assert prediction.p_yes == pytest.approx(0.8)


def test_the_answer_is_the_last_yes_or_no():
    """
    An earlier yes in the reasoning does not count.
    """
    text = "Analysis: yes\nPredicted Performance: {len: 5, correct: no}"
    logprobs = [{YES: 0.0}, {YES: math.log(0.25), NO: math.log(0.75)}, {OTHER: 0.0}]

    prediction = parse_prediction(
        text, [YES, NO, OTHER], logprobs, YES, NO, reasoning="full", temperature=0.0
    )

    assert prediction == ReasonerPrediction(pytest.approx(0.25), 5)


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        pytest.param({"text": " 312, corr"}, math.nan, id="truncated"),
        pytest.param({"text": ""}, math.nan, id="empty"),
        pytest.param({"logprobs": {YES: -0.1}}, 312, id="one logprob is missing"),
        pytest.param({"ids": (OTHER, OTHER, OTHER)}, 312, id="no such token"),
        pytest.param({"ids": (OTHER, NO, OTHER)}, 312, id="text and token disagree"),
        pytest.param({"ids": ()}, 312, id="no tokens"),
    ],
)
def test_an_unparseable_reply_has_no_probability(reply, tokens):
    """
    It is NaN and not a default.
    """
    prediction = parsed(**reply)

    assert math.isnan(prediction.p_yes)
    assert prediction.tokens == pytest.approx(tokens, nan_ok=True)


def test_the_mean_of_samples_ignores_unknown_values():
    """
    Without any known value the mean is NaN.
    """
    mean = average_predictions(
        [ReasonerPrediction(0.25, 100), ReasonerPrediction(0.75, math.nan), ReasonerPrediction()]
    )

    assert mean == ReasonerPrediction(0.5, 100)
    assert all(
        map(
            math.isnan,
            (average_predictions([]).p_yes, average_predictions([ReasonerPrediction()]).tokens),
        )
    )


def test_sampling_params_set_everything_but_a_seed(checkpoint):
    """
    They set length, temperature and a grammar with the two answer tokens, and switch off the
    sampling settings that a checkpoint may recommend and that change probabilities.
    """
    config = ReasonerConfig(checkpoint="x/y", reasoning="short", samples=3, temperature=0.5)
    tokenizer = PromptTokenizer.load(str(checkpoint))

    params = sampling_params(config, tokenizer)

    assert "seed" not in params
    assert (params["top_p"], params["top_k"], params["min_p"]) == (1, 0, 0)
    assert params["repetition_penalty"] == 1
    assert params["max_tokens"] == 96 + 48
    assert params["temperature"] == 0.5
    answers = f"answer: <[{tokenizer.yes_id}]> | <[{tokenizer.no_id}]>"
    assert answers in params["structured_outputs"]["grammar"]
