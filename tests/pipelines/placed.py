"""Runs the job's engine stage on a cluster of its own, with engines that only hold their bundles.

``python -m tests.pipelines.placed TENSOR_PARALLEL ENGINES FOLDER`` waits until all engines that
fit are placed and the others pend, prints as JSON the placement groups at that moment, then lets
the engines answer and prints how many rows came back. A process of its own, since pytest may
have joined another Ray.
"""

import asyncio
import json
import os
import sys
import threading
from pathlib import Path

import ray
from ray.llm._internal.batch.stages.base import StatefulStageUDF

from pipelines.cluster.session import ray_session
from pipelines.reasoner.engine_worker import STAGE, use_engine_worker
from pipelines.reasoner.llm_stage import make_processor
from scope.reasoner.engine import EngineConfig
from scope.reasoner.spec import ReasonerConfig
from tests.pipelines.clusters import are_placed, cluster_of, placement_groups
from tests.pipelines.runs import wait_until

N_ROWS, N_GPUS = 256, 8
TIMEOUT_S = 60


class Holding(StatefulStageUDF):
    """An engine without a model: it answers as soon as the file ``go`` is there."""

    def __init__(self, data_column, expected_input_keys, model, **arguments):
        super().__init__(data_column, [])
        self._go = Path(model) / "go"

    async def udf(self, batch):
        while not self._go.exists():
            await asyncio.sleep(0.05)
        for row in batch:
            yield {"answered": True, self.IDX_IN_BATCH_COLUMN: row[self.IDX_IN_BATCH_COLUMN]}


def main(tensor_parallel, engines, folder):
    (Path(folder) / "config.json").write_text("{}")
    (Path(folder) / "tokenizer.json").write_text("{}")
    config = ReasonerConfig(checkpoint=folder)
    found = []
    with ray_session():
        processor = make_processor(config, EngineConfig(tensor_parallel=tensor_parallel), engines)
        use_engine_worker(processor, None, on_cpu=False)
        processor.get_stage_by_name(STAGE).__dict__["fn"] = Holding
        rows = ray.data.from_items([{"prompt": str(n)} for n in range(N_ROWS)])
        plan = processor(rows.repartition(8))
        job = threading.Thread(target=lambda: found.extend(plan.take_all()))
        job.start()
        n_fit = N_GPUS // tensor_parallel

        def placed():
            groups = placement_groups()
            fits = are_placed(groups, created=n_fit, pending=engines - n_fit)
            return groups if fits else None

        held = wait_until(placed, TIMEOUT_S, every_s=0.2)
        (Path(folder) / "go").touch()
        job.join(TIMEOUT_S)
    sys.stdout.write(json.dumps({"groups": held, "rows": len(found)}) + "\n")


if __name__ == "__main__":
    with cluster_of(2, 8, 8, gpus=4) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
