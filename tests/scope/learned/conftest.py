import pytest

from tests.factories.encoders import tiny_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """Folder of a random BERT of two layers."""
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))
