import numpy as np
import pytest

from scope.samples import Samples
from tests.factories.encoders import tiny_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """Folder of a random BERT of two layers, with a tokenizer."""
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def samples():
    """Two samples of one model on each of three sums; the API has reported no tokens."""
    texts = [["It is 2.", "It is 3."], ["It is 4.", "Who knows?"], ["It is 6."]]
    completion_qmo = np.full((3, 1, 2), np.nan)
    return Samples(
        ("a", "b", "c"),
        ("1 + 1?", "2 + 2?", "3 + 3?"),
        ("m",),
        {},
        np.full((3, 1), np.nan),
        completion_qmo,
        tuple((tuple(row),) for row in texts),
    )
