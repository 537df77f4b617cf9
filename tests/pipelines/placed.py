"""Runs the job's engine stage on a cluster of its own, with engines that only hold their bundles.

``python -m tests.pipelines.placed TENSOR_PARALLEL ENGINES FOLDER`` prints as JSON where each of
them stands while they are held, and how many rows came back once they were let go. A process of
its own, since one that is on a Ray already loses it with a second.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import ray
from ray.llm._internal.batch.stages.base import StatefulStageUDF

from pipelines.cluster.session import ray_session
from pipelines.reasoner.llm_stage import STAGE, processor
from scope.reasoner.engine import EngineConfig
from scope.reasoner.spec import ReasonerConfig
from tests.pipelines.clusters import cluster_of

N_ROWS = 256
PATIENCE_S = 60


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


def groups():
    """States of all placement groups, and the nodes and bundles of each."""
    return [
        {
            "state": group["state"],
            "bundles": len(group["bundles"]),
            "nodes": len(set(group["bundles_to_node_id"].values())),
        }
        for group in ray.util.placement_group_table().values()
    ]


def main(tensor_parallel, engines, folder):
    (Path(folder) / "config.json").write_text("{}")
    (Path(folder) / "tokenizer.json").write_text("{}")
    config = ReasonerConfig(checkpoint=folder)
    found = []
    with ray_session():
        built = processor(config, EngineConfig(tensor_parallel=tensor_parallel), None, engines)
        built.get_stage_by_name(STAGE).__dict__["fn"] = Holding
        rows = ray.data.from_items([{"prompt": str(n)} for n in range(N_ROWS)])
        plan = built(rows.repartition(8))
        job = threading.Thread(target=lambda: found.extend(plan.take_all()))
        job.start()
        ends_at = time.monotonic() + PATIENCE_S
        while len(groups()) < engines or Counter(g["state"] for g in groups())["CREATED"] < 2:
            assert time.monotonic() < ends_at, groups()
            time.sleep(0.2)
        held = groups()
        (Path(folder) / "go").touch()
        job.join(PATIENCE_S)
    sys.stdout.write(json.dumps({"groups": held, "rows": len(found)}) + "\n")


if __name__ == "__main__":
    with cluster_of(2, 8, 8, gpus=4) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
