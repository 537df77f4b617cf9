import json

import pytest

from deployments.planning.tables import service_times_table
from deployments.profiling.service_times import EngineTime, ServiceTimes
from scope.errors import ConfigError, FormatError
from tests.deployments.planning.factories import batch_times, service_times


def test_a_file_is_read_as_it_was_written(tmp_path):
    """
    Every number.
    """
    path = tmp_path / "times.json"
    path.write_text(service_times().model_dump_json())

    assert ServiceTimes.load(path) == service_times()


def test_a_file_without_an_embedder_is_refused(tmp_path):
    """
    A plan needs Embedder and Predictor.
    """
    data = json.loads(service_times().model_dump_json())
    del data["deployments"]["Embedder"]
    path = tmp_path / "times.json"
    path.write_text(json.dumps(data))

    with pytest.raises(ConfigError, match="no times of Embedder"):
        ServiceTimes.load(path)


def test_a_file_that_lacks_the_second_embedder_in_serve_is_refused(tmp_path):
    """
    It has times of its batches, and not of a request through Serve.
    """
    data = json.loads(service_times(second=batch_times(0.01, 0.01)).model_dump_json())
    del data["serve"]["uncached"]["cpu_s"]["SecondEmbedder"]
    path = tmp_path / "times.json"
    path.write_text(json.dumps(data))

    with pytest.raises(ConfigError, match=r"serve\.uncached\.cpu_s lacks SecondEmbedder"):
        ServiceTimes.load(path)


def test_times_of_a_second_embedder_are_printed():
    """
    Its batches, its part of a request, and Serve's part of a call.
    """
    table = service_times_table(service_times(second=batch_times(0.01, 0.005)))

    assert "SecondEmbedder, ms a batch" in table
    assert "CPU SecondEmbedder" in table
    assert "ms in the SecondEmbedder, " in table


def test_a_missing_file_is_named(tmp_path):
    """
    In one sentence.
    """
    with pytest.raises(FormatError, match=r"absent\.json cannot be read"):
        ServiceTimes.load(tmp_path / "absent.json")


def test_between_measured_batches_and_lengths_times_are_interpolated():
    """
    10 ms a batch and 10 a call at 64 tokens, half at 32; beyond the largest batch it goes on so.
    """
    measured = batch_times(0.01, 0.01, batches=(1, 4, 8), lengths=(32, 64))

    assert measured.seconds_n(64, 10) == pytest.approx([0.01 + 0.01 * n for n in range(1, 11)])
    assert measured.seconds_n(48, 2) == pytest.approx([0.0175, 0.025])
    assert measured.seconds_n(1000, 1) == pytest.approx([0.02])


def test_noise_makes_no_larger_batch_faster():
    """
    A batch of 2 measured at 30 ms, of 4 at 20.
    """
    measured = batch_times(0.0, 0.005, batches=(1, 2, 4))
    rows = list(measured.rows)
    rows[1] = rows[1].model_copy(update={"cpu_s": 0.03})
    noisy = measured.model_copy(update={"rows": tuple(rows)})

    assert noisy.seconds_n(64, 4) == pytest.approx([0.005, 0.03, 0.03, 0.03])


def test_waits_for_other_programs_are_no_service():
    """
    A batch that took twice its CPU time on a busy machine; on a GPU the wall time counts.
    """
    measured = batch_times(0.01, 0.01)
    rows = tuple(row.model_copy(update={"median_s": 2 * row.cpu_s}) for row in measured.rows)

    assert measured.model_copy(update={"rows": rows}).seconds_n(64, 1) == pytest.approx([0.02])
    gpu = measured.model_copy(update={"rows": rows, "device": "cuda"})
    assert gpu.seconds_n(64, 1) == pytest.approx([0.04])


def test_the_fitted_line_is_that_of_the_measurements():
    """
    10 ms a batch, and 10 ms / 64 a token.
    """
    line = batch_times(0.01, 0.01, lengths=(16, 64, 256)).line

    assert line.fixed_s == pytest.approx(0.01)
    assert line.per_token_s == pytest.approx(0.01 / 64)
    assert line.per_text_s == pytest.approx(0.0, abs=1e-9)


def test_a_grid_with_a_hole_is_refused():
    """
    Batches of 2 at one length only.
    """
    measured = batch_times(0.01, 0.01, batches=(1, 2), lengths=(16, 64))

    with pytest.raises(ValueError, match="each batch size at each prompt length once"):
        type(measured).model_validate({**measured.model_dump(), "rows": measured.rows[:3]})


def test_the_rate_of_an_engine_is_its_best():
    """
    At 8 at once it reads 1,000 tokens in a second and writes 100 in another; unknown without one.
    """
    rows = tuple(
        EngineTime(concurrency=n, prompt_tokens_per_s=125.0 * n, answer_tokens_per_s=12.5 * n)
        for n in (1, 8)
    )

    assert service_times(engine=rows).engine_tokens_per_s(1000, 100) == pytest.approx(1100 / 2)
    assert service_times().engine_tokens_per_s(1000, 100) is None


def test_the_table_shows_what_was_measured():
    """
    A batch of 2 at 64 tokens takes 30 ms.
    """
    table = service_times_table(service_times(idle_cores=0.12))

    rows = [line.split() for line in table.splitlines()]

    assert ["2", "15.0", "30.0", "90.0"] in rows
    assert ["not", "cached", "40.0", "44.0", "5.00", "10.0", "20.0", "5.00", "0.00"] in rows
    assert "Ray takes 0.12 cores without a request" in table
