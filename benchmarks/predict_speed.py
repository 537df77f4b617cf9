"""``scope predict`` end to end against the bare arithmetic of the same forecasts in one process.

60,000 questions × 13 models from stored embeddings, the two in turn. End to end is the whole
command: imports, Ray, shards and merging. Bare is `AnchorPredictor.predict` on arrays in memory,
with the number of threads that is faster here; nothing is read, checked or written. CPU time is
that of the process and of all it started, which other work on the machine changes less than the
duration. ``python -m benchmarks.predict_speed FOLDER`` keeps the questions in FOLDER;
``--reference-files`` also writes the published code's JSON.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.scale import MANY, N_MODELS, questions
from benchmarks.serving_client import SAME_PRIORITY
from deployments.profiling.process_cpu import descendants
from pipelines.bank import load_bank_for_pool
from scope import EMBEDDED_BANK, AnchorPredictor, load_bank, save_bank
from scope.bank import StoredFeatures

TARGET = 2.0
N_ROUNDS = 3
N_TRIED = 2_000
"""Questions on which numbers of threads are compared."""
OTHER = "imports and exit"


@dataclass(frozen=True, slots=True)
class TimedRun:
    """One run: how long it took, and the CPU time it used."""

    wall_s: float
    cpu_s: float
    stages_s: dict[str, float]


def main() -> None:
    """Run both sides in turn; print every run, the medians, and the stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the questions are kept")
    parser.add_argument("--questions", type=int, default=MANY)
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--reference-files", action="store_true")
    args = parser.parse_args()
    flags = ("--reference-files",) if args.reference_files else ()
    with tempfile.TemporaryDirectory() as name:
        folder = args.folder or Path(name)
        path, pool = prepare(folder, args.questions)
        print(f"{args.questions:,} questions × {N_MODELS} models, {os.cpu_count()} cores")
        header = ("end to end s", "CPU s", "bare s", "CPU s", "threads", "ratio", "of CPU")
        print("".join(f"{title:>14}" for title in header))
        rounds = []
        for _ in range(args.rounds):
            ours = end_to_end(path, pool, folder / f"out-{args.questions}", flags)
            peer, n_threads = in_process(path, pool)
            rounds.append((ours, peer))
            numbers = (ours.wall_s, ours.cpu_s, peer.wall_s, peer.cpu_s)
            ratios = (ours.wall_s / peer.wall_s, ours.cpu_s / peer.cpu_s)
            cells = [*(f"{s:.1f}" for s in numbers), n_threads, *(f"{r:.2f}" for r in ratios)]
            print("".join(f"{cell:>14}" for cell in cells), flush=True)
    ratio = statistics.median(ours.wall_s / peer.wall_s for ours, peer in rounds)
    of_cpu = statistics.median(ours.cpu_s / peer.cpu_s for ours, peer in rounds)
    verdict = "met" if ratio <= TARGET else "NOT met"
    print(f"median ratio {ratio:.2f}, of CPU {of_cpu:.2f} (target ≤ {TARGET:g}: {verdict})")
    show_stages([ours for ours, _ in rounds])


def prepare(folder: Path, n_questions: int) -> tuple[Path, Path]:
    """Write questions and pool, unless they are there; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pool, path = folder / "pool.txt", folder / f"questions-{n_questions}"
    pool.write_text("\n".join(load_bank(EMBEDDED_BANK).model_ids[:N_MODELS]))
    if not path.exists():
        save_bank(questions(n_questions), path, created_at="2026-01-01", sources=())
    return path, pool


def end_to_end(path: Path, pool: Path, output: Path, flags: tuple[str, ...]) -> TimedRun:
    """Run the command as a user would."""
    paths = ("--query-file", path, "--pool", pool, "--output", output)
    command = [sys.executable, "-m", "pipelines.cli", "predict", *map(str, paths)]
    used_s: dict[int, float] = {}
    began_s = time.perf_counter()
    with tempfile.TemporaryFile("w+") as stderr:
        run = subprocess.Popen(
            [*command, "--fresh", "--json", *flags],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, **SAME_PRIORITY},
        )
        while run.poll() is None:
            used_s.update(cpu_s_by_process(run.pid))
            time.sleep(0.1)
        wall_s = time.perf_counter() - began_s
        stderr.seek(0)
        lines = stderr.read().splitlines()
    assert run.returncode == 0, lines[-1:]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    stages_s = {e["stage"]: e["seconds"] for e in events if e["event"] == "stage"}
    stages_s[OTHER] = wall_s - sum(stages_s.values())
    return TimedRun(wall_s, sum(used_s.values()), stages_s)


def cpu_s_by_process(root_pid: int) -> dict[int, float]:
    """Return the CPU time so far of a process and of each of its descendants, s."""
    found = {}
    for pid in descendants(root_pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        found[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def in_process(path: Path, pool: Path) -> tuple[TimedRun, int]:
    """Return the bare arithmetic in a process of its own, and its number of threads."""
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        return workers.apply(bare, (path, pool))


def bare(path: Path, pool: Path) -> tuple[TimedRun, int]:
    """Predict all questions from arrays in memory with the faster number of threads."""
    bank, _ = load_bank_for_pool(EMBEDDED_BANK, tuple(pool.read_text().split()), None)
    predictor = AnchorPredictor(bank)
    embedding_qd, features_qf = StoredFeatures(path).read(np.arange(_n_questions(path)))

    def predict(n_questions: int | None = None) -> None:
        predictor.predict(embedding_qd[:n_questions], features_qf[:n_questions])

    def timed(n_threads: int, work: Callable[[], None]) -> TimedRun:
        with threadpool_limits(n_threads):
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            work()
            return TimedRun(time.perf_counter() - began_s, time.process_time() - began_cpu_s, {})

    tried = {n: timed(n, lambda: predict(N_TRIED)).wall_s for n in {1, os.cpu_count() or 1}}
    n_threads = min(tried, key=lambda n: tried[n])
    return timed(n_threads, predict), n_threads


def _n_questions(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def show_stages(runs: list[TimedRun]) -> None:
    """Print the seconds and the share of each stage, medians over the runs."""
    medians = {
        stage: statistics.median(run.stages_s[stage] for run in runs) for stage in runs[0].stages_s
    }
    total_s = sum(medians.values())
    for stage, took_s in medians.items():
        print(f"{stage:<18}{took_s:>8.1f} s{took_s / total_s:>7.0%}")


if __name__ == "__main__":
    main()
