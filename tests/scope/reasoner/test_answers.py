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


def answered(text=" 312, correct: yes}", ids=(OTHER, YES, OTHER), at=None, **how):
    """An answer read off three tokens, the second of which is yes with probability .8."""
    sure = {OTHER: 0.0}
    at = {YES: math.log(0.8), NO: math.log(0.2)} if at is None else at
    how = {"reasoning": "none", "temperature": 0.0, **how}
    return parse_prediction(text, ids, [sure, at, sure], YES, NO, **how)


@given(LOG_ODDS, st.floats(0.1, 2.0))
def test_temperature_is_undone(log_odds, temperature):
    """
    The engine divides logits by it before it takes their softmax.
    """
    yes, no = (-math.log1p(math.exp(sign * log_odds / temperature)) for sign in (-1, 1))

    assert p_yes(yes, no, temperature) == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-9)


@given(LOG_ODDS)
def test_yes_and_no_share_the_whole(log_odds):
    """
    Whatever was likelier than both.
    """
    one, other = p_yes(log_odds - 50, -50, 0.0), p_yes(-50, log_odds - 50, 0.0)

    assert one + other == pytest.approx(1)


@pytest.mark.parametrize(
    ("yes", "no", "expected"),
    [
        pytest.param(0.0, -math.inf, 1.0, id="no is impossible"),
        pytest.param(-math.inf, 0.0, 0.0, id="yes is impossible"),
        pytest.param(-9999.0, 0.0, 0.0, id="as impossible as JSON can say"),
        pytest.param(-math.inf, -math.inf, math.nan, id="both are"),
        pytest.param(math.nan, 0.0, math.nan, id="one was not told"),
    ],
)
def test_the_ends_of_the_scale(yes, no, expected):
    """
    Certainty is 0 or 1, ignorance is neither.
    """
    assert p_yes(yes, no, 0.0) == pytest.approx(expected, nan_ok=True)


def test_an_answer_is_its_length_and_how_sure_it_is():
    """
    Read at the token of the answer.
    """
    answer = answered()

    assert answer.tokens == 312
    assert answer.p_yes == pytest.approx(0.8)


def test_the_answer_is_the_last_yes_or_no():
    """
    Reasoning may say yes before.
    """
    text = "Analysis: yes\nPredicted Performance: {len: 5, correct: no}"
    logprobs = [{YES: 0.0}, {YES: math.log(0.25), NO: math.log(0.75)}, {OTHER: 0.0}]

    answer = parse_prediction(
        text, [YES, NO, OTHER], logprobs, YES, NO, reasoning="full", temperature=0.0
    )

    assert answer == ReasonerPrediction(pytest.approx(0.25), 5)


@pytest.mark.parametrize(
    ("how", "tokens"),
    [
        pytest.param({"text": " 312, corr"}, math.nan, id="cut off"),
        pytest.param({"text": ""}, math.nan, id="nothing said"),
        pytest.param({"at": {YES: -0.1}}, 312, id="one logprob is missing"),
        pytest.param({"ids": (OTHER, OTHER, OTHER)}, 312, id="no such token"),
        pytest.param({"ids": (OTHER, NO, OTHER)}, 312, id="text and token disagree"),
        pytest.param({"ids": ()}, 312, id="no tokens came"),
    ],
)
def test_what_cannot_be_read_is_unknown(how, tokens):
    """
    And not a guess.
    """
    answer = answered(**how)

    assert math.isnan(answer.p_yes)
    assert answer.tokens == pytest.approx(tokens, nan_ok=True)


def test_samples_are_averaged_over_those_that_say_something():
    """
    Of no sample, nothing is known.
    """
    some = average_predictions(
        [ReasonerPrediction(0.25, 100), ReasonerPrediction(0.75, math.nan), ReasonerPrediction()]
    )

    assert some == ReasonerPrediction(0.5, 100)
    assert all(
        map(
            math.isnan,
            (average_predictions([]).p_yes, average_predictions([ReasonerPrediction()]).tokens),
        )
    )


def test_an_engine_is_told_all_but_a_seed(checkpoint):
    """
    Length, temperature, a grammar that names the two answers of the checkpoint, and that
    nothing else may change their probabilities, whatever the checkpoint recommends.
    """
    config = ReasonerConfig(checkpoint="x/y", reasoning="short", samples=3, temperature=0.5)
    tokens = PromptTokenizer.load(str(checkpoint))

    told = sampling_params(config, tokens)

    assert "seed" not in told
    assert (told["top_p"], told["top_k"], told["min_p"]) == (1, 0, 0)
    assert told["repetition_penalty"] == 1
    assert told["max_tokens"] == 96 + 48
    assert told["temperature"] == 0.5
    answers = f"answer: <[{tokens.yes_id}]> | <[{tokens.no_id}]>"
    assert answers in told["structured_outputs"]["grammar"]
