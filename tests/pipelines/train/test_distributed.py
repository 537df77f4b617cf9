import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipelines.terminal import Stages
from pipelines.train.distributed import run_job, total_steps
from pipelines.train.job import BEST, JobFolder
from pipelines.train.loop import CHECKPOINTS, last_checkpoint
from scope.errors import ConfigError
from tests.factories.jobs import router_job
from tests.factories.learned import needs_accelerate
from tests.pipelines.runs import processes, wait_until

RUN = """
import sys
from pathlib import Path
from pipelines.terminal import Stages
from pipelines.train.distributed import run_job
from pipelines.train.job import JobFolder
run_job(JobFolder(Path(sys.argv[1])), Stages())
"""
EPOCHS = 12


@needs_accelerate
@pytest.mark.ray
def test_two_workers_that_are_killed_end_with_the_same_weights(cluster, encoder_folder, tmp_path):
    """
    The whole job is killed after its first checkpoint, and continues in another process.
    """
    whole, killed = (
        router_job(
            tmp_path / name,
            encoder_folder,
            epochs=EPOCHS,
            patience=EPOCHS,
            n_workers=2,
            learning_rate=1e-4,
        )
        for name in ("whole", "killed")
    )
    stages = Stages()
    run_job(whole, stages)

    kill_after_a_checkpoint(killed)
    assert killed.result is None
    before = int(last_checkpoint(killed.path / CHECKPOINTS).rpartition("-")[2])
    resumed = Stages()
    run_job(killed, resumed)

    assert stages_of(stages)["training"].done == total_steps(whole.job(), whole) == 5 * EPOCHS
    assert stages_of(resumed)["training"].earlier == before
    assert killed.result == whole.result
    expected, found = (load_file(files.path / BEST) for files in (whole, killed))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def stages_of(stages):
    return {stage.name: stage for stage in stages.all}


def kill_after_a_checkpoint(files):
    """Run a job in a process group of its own, and kill all of it.

    Ray's workers outlive their driver for some seconds, and would write more checkpoints.
    """
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(files.path)],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        until_s = time.monotonic() + 120
        while last_checkpoint(files.path / CHECKPOINTS) is None and run.poll() is None:
            assert time.monotonic() < until_s, "no checkpoint was written"
            time.sleep(0.02)
    finally:
        started = list(processes(run.pid))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))


@needs_accelerate
@pytest.mark.ray
def test_more_workers_than_cpus_are_refused(cluster, encoder_folder, tmp_path):
    files = router_job(tmp_path / "job", encoder_folder, n_workers=64, batch_size=64)

    with pytest.raises(ConfigError, match="64 workers need 64 CPUs, the cluster has"):
        run_job(files, Stages())


@needs_accelerate
@pytest.mark.ray
def test_an_error_of_the_input_ends_the_job_at_once(cluster, encoder_folder, tmp_path):
    files = router_job(tmp_path / "job", encoder_folder)
    text = (tmp_path / "job" / "job.json").read_text()
    (tmp_path / "job" / "job.json").write_text(text.replace(str(encoder_folder), "/no/encoder"))

    with pytest.raises(ConfigError, match="encoder '/no/encoder' cannot be loaded"):
        run_job(files, Stages())


def test_a_finished_job_is_not_run_again(encoder_folder, tmp_path):
    files = router_job(tmp_path / "job", encoder_folder)
    (tmp_path / "job" / "result.json").write_text(
        '{"validation_loss": 0.5, "epochs": 3, "steps": 15}'
    )

    assert run_job(JobFolder(files.path), Stages()).steps == 15
