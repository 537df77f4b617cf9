import numpy as np
import pytest

from scope.learned import fit_heads, load_encoder, make_network


def test_heads_separate_what_can_be_separated(encoder_folder):
    """
    The label is the sign of one dimension; a scale and a shift of the inputs do not matter.
    """
    rng = np.random.default_rng(0)
    embedding_qd = rng.normal(size=(400, 32)) * rng.uniform(0.1, 10, 32) + rng.normal(size=32)
    label_qm = (embedding_qd[:, [3]] > np.median(embedding_qd[:, 3])).astype(float)
    train_q = np.arange(400) < 300
    network = make_network(load_encoder(str(encoder_folder)), "mean", 0, "prob_nlabels", 2)

    loss = fit_heads(network, "prob_nlabels", embedding_qd, label_qm, train_q)

    weight, bias = (part.detach().numpy() for part in (network.heads.weight, network.heads.bias))
    logit_qn = embedding_qd @ weight.T + bias
    right_q = (logit_qn[:, 0] > logit_qn[:, 1]) == label_qm[:, 0]
    assert loss < 0.2
    assert right_q[~train_q].mean() > 0.9


def test_noise_is_answered_by_the_mean(encoder_folder):
    rng = np.random.default_rng(0)
    network = make_network(load_encoder(str(encoder_folder)), "mean", 0, "prob_nlabels", 2)
    label_qm = (rng.random((400, 1)) < 0.3).astype(float)

    loss = fit_heads(
        network, "prob_nlabels", rng.normal(size=(400, 32)), label_qm, np.arange(400) < 200
    )

    assert loss == pytest.approx(0.61, abs=0.06)  # entropy of .3: .611 nats


def test_texts_without_an_embedding_are_not_used(encoder_folder):
    rng = np.random.default_rng(0)
    embedding_qd, label_qm = rng.normal(size=(100, 32)), rng.random((100, 1))
    losses = []
    for rows in (slice(0, 99), slice(0, 100)):
        network = make_network(load_encoder(str(encoder_folder)), "mean", 0, "prob_nlabels", 2)
        embedding_qd[99] = np.nan
        train_q = np.arange(100) % 3 > 0
        losses.append(
            fit_heads(network, "prob_nlabels", embedding_qd[rows], label_qm[rows], train_q[rows])
        )

    assert losses[0] == losses[1]
