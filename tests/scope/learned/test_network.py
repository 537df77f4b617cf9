import numpy as np
import pytest
import torch

from scope.errors import ConfigError
from scope.learned import add_source_token, load_encoder, load_weights, make_network, run_rows
from scope.learned.network import save_weights


@pytest.fixture(scope="module")
def network(encoder_folder):
    encoder = load_encoder(str(encoder_folder))
    add_source_token(encoder)
    torch.manual_seed(0)
    return make_network(encoder, "source_token", 1, "prob_nlabels", 2)


def test_the_source_token_starts_as_the_mean_of_all_tokens(encoder_folder):
    encoder = load_encoder(str(encoder_folder))
    before = encoder.get_input_embeddings().weight.detach().clone()

    source_id = add_source_token(encoder)

    after = encoder.get_input_embeddings().weight
    assert source_id == len(before)
    assert torch.equal(after[:-1], before)
    assert torch.allclose(after[-1], before.mean(dim=0), atol=1e-6)


def test_padding_changes_nothing(network):
    rows = [[2, 7, 9, 3], [2, 7, 3]]

    together = run_rows(network, rows, 0, 2)
    alone = np.concatenate([run_rows(network, [row], 0, 2) for row in rows])

    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_row_without_ids_is_unknown(network):
    assert np.isnan(run_rows(network, [[], [2, 7, 3]], 0, 2)).all(axis=1).tolist() == [True, False]


def test_weights_of_another_shape_are_refused(network, tmp_path):
    save_weights(network, tmp_path / "w.safetensors")
    wider = make_network(network.encoder, "source_token", 1, "prob_nlabels", 4)

    load_weights(network, tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match=r"w.safetensors holds other weights"):
        load_weights(wider, tmp_path / "w.safetensors")


def test_an_encoder_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="encoder '/no/such/folder' cannot be loaded"):
        load_encoder("/no/such/folder")
