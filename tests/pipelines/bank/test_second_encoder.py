"""Whether a second encoder pays, as `scope bank fit` finds."""

from functools import cache

import pytest

from pipelines.bank.findings import with_findings
from pipelines.bank.second_encoder import with_second_encoder
from scope.bank import GainInterval, SecondGain
from scope.predictor import fit_bank
from tests.factories.second_encoders import second_kinds

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def fitted(*, informative):
    return with_findings(fit_bank(second_kinds(60, informative=informative)))


def found(*, informative, keep=False):
    return with_second_encoder(fitted(informative=informative), keep=keep)


def test_an_encoder_that_knows_more_is_used():
    """
    The bank keeps its fit with the first alone; an encoder that is not here has no time.
    """
    bank = found(informative=True)

    assert bank.second_gain.pays
    assert bank.second_gain.used
    assert bank.second_gain.ms_per_question is None
    assert bank.joint_forecaster is not None
    assert bank.forecaster.projection is None
    assert str(bank.second_gain).endswith("The bank is fitted with both.")


def test_an_encoder_that_knows_nothing_is_refused():
    """
    The interval of its gain holds 0; the sentence names the flag that insists.
    """
    bank = found(informative=False)

    assert not bank.second_gain.pays
    assert not bank.second_gain.used
    assert bank.joint_forecaster is None
    assert "with the first encoder alone; --keep-second-encoder" in str(bank.second_gain)


def test_a_refused_encoder_is_used_if_asked():
    """
    The gain is written down as it is.
    """
    bank = found(informative=False, keep=True)

    assert bank.joint_forecaster is not None
    assert bank.second_gain.used
    assert not bank.second_gain.pays


def test_a_gain_says_what_it_costs():
    """
    Points of accuracy, log loss, and milliseconds.
    """
    gain = SecondGain(
        over_first=GainInterval(value=0.01, low=0.005, high=0.015),
        log_loss=0.002,
        log_loss_error=0.0005,
        lengthscale=1.0,
        ms_per_question=51.6,
        used=True,
    )

    assert str(gain) == (
        "The second encoder gains +1.0 points (+0.5 to +1.5) over the first alone, and +0.0020 "
        "± 0.0005 nats of log loss; 52 ms per question here. The bank is fitted with both."
    )
