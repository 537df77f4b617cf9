"""Service times that a person can calculate with."""

from deployments.profiling.service_times import (
    BatchTime,
    BatchTimes,
    Machine,
    RequestTimes,
    RouterTimes,
    ServeTimes,
    ServiceTimes,
    fit_line,
    service_field,
)


def batch_times(fixed_s, per_call_s, *, batches=(1, 2, 4, 8, 16), lengths=(64,), device="cpu"):
    """Batches that take a fixed time and one for each call of 64 tokens, or of any length."""
    rows = []
    for tokens in lengths:
        for batch in batches:
            scale = tokens / 64 if len(lengths) > 1 else 1.0
            seconds = fixed_s + batch * per_call_s * scale
            rows.append(
                BatchTime(
                    batch=batch,
                    prompt_tokens=tokens,
                    median_s=seconds,
                    p95_s=1.1 * seconds,
                    cpu_s=seconds if device == "cpu" else 0.001,
                    n=5,
                )
            )
    line = fit_line(rows, service_field(device, 1))
    return BatchTimes(device=device, threads=1, rows=tuple(rows), line=line)


def request_times(median_s, **cpu_s):
    """A request, with a 95th percentile a tenth above its median."""
    known = {"proxy": 0.0, "Router": 0.0, "Embedder": 0.0, "Predictor": 0.0, "other": 0.0}
    return RequestTimes(n=100, median_s=median_s, p95_s=1.1 * median_s, cpu_s={**known, **cpu_s})


def service_times(*, embedder=None, second=None, idle_cores=0.0, engine=()):
    """A request of 5 ms in the proxy, 10 in the Router, 20 in the Embedder, 5 in the Predictor.

    With `second`, batches of a SecondEmbedder, one call of it takes no more than the Embedder's.
    """
    cpu_s = {"proxy": 0.005, "Router": 0.01, "Embedder": 0.02, "Predictor": 0.005}
    if second is not None:
        cpu_s["SecondEmbedder"] = second.cpu_seconds_n(64, 1)[0]
    uncached = request_times(0.04, **cpu_s)
    return ServiceTimes(
        machine=Machine(cpu="a processor", cores=2, load_average=0.0, versions={"ray": "2.60.0"}),
        serve=ServeTimes(
            prompt_tokens=64,
            idle_cores=idle_cores,
            cached=request_times(0.01, proxy=0.005, Router=0.005),
            uncached=uncached,
        ),
        router=RouterTimes(cached_s=0.001, uncached_s=0.001, n=100),
        deployments={
            "Embedder": embedder or batch_times(0.01, 0.01, lengths=(16, 64, 256)),
            "Predictor": batch_times(0.004, 0.001, lengths=(1,)),
            **({} if second is None else {"SecondEmbedder": second}),
        },
        engine=engine,
    )
