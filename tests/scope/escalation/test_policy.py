import numpy as np
import pytest
from scipy.special import logit

from scope.escalation.policy import Escalation
from scope.escalation.reply_length import ReplyLengths

CHEAP, EXPENSIVE = 0, 1


def informative(slope):
    """A surprise of the cheap model of ±1, equally likely, which shifts its own log odds."""
    weight = np.zeros((2, 2, 2))
    weight[CHEAP, CHEAP, 1] = -slope
    return ReplyLengths(np.zeros(2), np.ones(2), weight, np.array([[-1.0, 1.0], [0.0, 0.0]]))


def asked(lengths, surprise, *, p=(0.5, 0.8), usd=(0.0, 1.0), trade_off=0.4):
    """First and last model of one question."""
    got = Escalation(np.array([p]), np.array([usd]), np.array([[surprise, 0.0]]), lengths).choices(
        np.array([trade_off])
    )
    return tuple(int(model_qt[0, 0]) for model_qt in got)


TELLS_ALL = informative(logit(0.9))
"""From even odds to .9 after a short reply, to .1 after a long one."""


@pytest.mark.parametrize(
    ("surprise", "expected"),
    [
        pytest.param(-1, (CHEAP, CHEAP), id="a short reply is kept"),
        pytest.param(1, (CHEAP, EXPENSIVE), id="a long reply is worth a second call"),
        pytest.param(np.nan, (CHEAP, CHEAP), id="an unknown length: .5 against .8 - .4"),
    ],
)
def test_the_second_call_depends_on_the_reply(surprise, expected):
    """
    The expensive model is worth .8 - .4 = .4 of a call: less than .9, more than .1.
    """
    assert asked(TELLS_ALL, surprise) == expected


def test_the_first_call_is_worth_what_its_reply_may_tell():
    """
    At a lambda of .2 the expensive model is worth .6. Asking the cheap one first costs .02 and
    leaves .9 or those .6, .75 on average; if its reply tells nothing, .6 that cost .02 more.
    """
    prices = (0.1, 1.0)

    assert asked(TELLS_ALL, 1, usd=prices, trade_off=0.2)[0] == CHEAP
    assert asked(informative(0), 1, usd=prices, trade_off=0.2) == (EXPENSIVE, EXPENSIVE)


def test_a_first_call_that_is_spent_counts():
    """
    The cheap model at 1.5 USD and .4 a USD: .7 - .6 = .1, less than .4 for the expensive one.
    """
    assert asked(TELLS_ALL, 1, usd=(1.5, 1.0)) == (EXPENSIVE, EXPENSIVE)
