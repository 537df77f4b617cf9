import math

import numpy as np
import pytest
import torch

from scope.errors import ConfigError
from scope.learned.losses import head_loss, margins, n_logits, n_outputs, probabilities
from scope.learned.spec import HeadCalibration

NONE = HeadCalibration()


def test_two_logits_are_the_cross_entropy_of_the_share_of_matches():
    """
    p = 3 / 4 and y = 1 / 2: the loss is -(ln .75 + ln .25) / 2.
    """
    logits, labels = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[0.5]])

    for loss in ("det_2cls", "prob_2cls", "prob_nlabels"):
        value = head_loss(loss, logits, labels)
        assert float(value) == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2, abs=1e-6)


def test_the_loss_equals_the_published_sum_over_heads():
    """
    The mean over heads of the mean over prompts of -(y log softmax_0 + (1 - y) log softmax_1).
    """
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(7, 6)))
    labels = torch.tensor(rng.random((7, 3)))
    log_p = torch.log_softmax(logits.view(7, 3, 2), dim=2)
    published = -(labels * log_p[..., 0] + (1 - labels) * log_p[..., 1]).mean(dim=0).mean()

    assert float(head_loss("prob_nlabels", logits, labels)) == pytest.approx(float(published))


def test_an_unknown_label_changes_nothing():
    logits = torch.tensor([[1.0, 0.0, 5.0, 0.0], [2.0, 0.0, 0.0, 1.0]])
    whole = head_loss("prob_nlabels", logits[:, :2], torch.tensor([[1.0], [0.0]]))
    nan = math.nan

    assert head_loss("prob_nlabels", logits, torch.tensor([[1.0, nan], [0.0, nan]])) == whole


def test_n_labels_have_one_logit_each_and_n_classes_one_distribution():
    logits = torch.tensor([[0.0, 0.0]])

    for loss, labels in (("det_nlabels", [[1.0, 1.0]]), ("det_ncls", [[1.0, 0.0]])):
        assert float(head_loss(loss, logits, torch.tensor(labels))) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("loss", "outputs", "logits"),
    [("prob_nlabels", 2, 4), ("det_nlabels", 3, 3), ("det_ncls", 3, 3)],
)
def test_three_arms_need_so_many_outputs(loss, outputs, logits):
    assert n_outputs(loss, 3) == outputs
    assert n_logits(loss, 3) == logits


@pytest.mark.parametrize("loss", ["det_2cls", "prob_2cls"])
def test_a_loss_of_two_classes_refuses_a_third_arm(loss):
    assert n_logits(loss, 2) == 2
    with pytest.raises(ConfigError, match=f"loss {loss} is for one arm and the reference, got 2"):
        n_outputs(loss, 3)


def test_the_reference_matches_itself():
    p_qm = probabilities(
        "prob_nlabels", margins("prob_nlabels", np.array([[math.log(3), 0]])), (NONE,)
    )

    assert p_qm.tolist() == [[pytest.approx(0.75), 1.0]]


def test_n_classes_give_the_probability_of_being_the_best():
    p_qm = probabilities("det_ncls", np.log([[1.0, 3.0, 4.0]]), (NONE,) * 3)

    assert p_qm[0].tolist() == pytest.approx([1 / 8, 3 / 8, 4 / 8])


def test_the_label_of_the_reference_in_n_labels_is_no_prediction():
    p_qm = probabilities("det_nlabels", np.array([[0.0, -5.0]]), (NONE,) * 2)

    assert p_qm.tolist() == [[0.5, 1.0]]


def test_temperature_and_bias_act_on_the_logit():
    head = HeadCalibration(temperature=2.0, bias=math.log(3))

    p_qm = probabilities("prob_2cls", np.array([[2 * math.log(2)]]), (head,))

    assert p_qm[0, 0] == pytest.approx(6 / 7)
