"""A tiny LLM with random weights, as a folder that the real loading code reads."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from scope.reasoner.training_record import TRAINING_RECORD, TrainingRecord, text_digests
from scope.storage import write_json

# Not importorskip, which would load vLLM wherever tests are collected: seconds.
needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None, reason="needs vLLM: make test-vllm installs it"
)
# Texts that do not change from one commit to the next: each page here is another vocabulary, and
# so another network.
QUESTIONS = Path(__file__).parents[2] / "scope" / "starter" / "questions.jsonl"
BLOCKS = """Predicted Performance: {len: 312, correct: yes}
Predicted Performance: {len: 47, correct: no}
"""
CHAT = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_checkpoint(folder):
    """Save a Qwen3 of two layers with a tokenizer trained on the starter questions.

    Each answer is one token, chats are wrapped as Qwen's, and the weights are the same each time.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    network = Qwen3ForCausalLM(config)
    with torch.no_grad():
        network.lm_head.weight.mul_(20)  # otherwise all tokens are about equally likely
    # As Qwen3 recommends: the defaults of endpoints for requests that set no sampling.
    network.generation_config.update(do_sample=True, temperature=0.7, top_p=0.8, top_k=20)
    network.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_tokenizer():
    """A byte-level BPE of 2,000 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["prompt"] for line in lines]
    tokenizer.train_from_iterator([*texts, BLOCKS * 200], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHAT
    return fast


def write_training_record(folder, texts=()):
    """Say in a checkpoint's folder, which may have no weights, that it was trained on `texts`."""
    folder.mkdir(exist_ok=True)
    record = TrainingRecord(
        method="sft",
        base_checkpoint="tiny",
        base_revision=None,
        bank="b",
        data="d",
        models=("small", "large"),
        form="model",
        reasoning="none",
        n_examples=5,
        max_context_tokens=2048,
        settings={},
        n_train=1,
        n_validation=1,
        trained_texts=text_digests(texts),
    )
    write_json(folder / TRAINING_RECORD, record.model_dump(mode="json"))
    return folder
