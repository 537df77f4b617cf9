"""Tiny models with random weights, as folders that the real loading code reads."""

import re

POISON = "poison"


def tiny_model(folder, *, pooling):
    """Save a sentence-transformers model with random weights and a word-level tokenizer.

    Texts with the word `POISON` have no finite vector.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    text = f"what is two plus name the capital of france {POISON}"
    words = ["[PAD]", "[UNK]", *re.findall(r"\w+", text)]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", padding_side="right"
    )
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        pad_token_id=0,
    )
    network = Qwen3Model(config)
    with torch.no_grad():
        network.embed_tokens.weight[words.index(POISON)] = torch.nan
    network.save_pretrained(folder / "hf")
    fast.save_pretrained(folder / "hf")
    transformer = Transformer(str(folder / "hf"))
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode=pooling)])
    model.prompts = {"query": "Instruct: retrieve\nQuery: "}
    model.default_prompt_name = "query"
    model.save(str(folder / "st"))
    return folder / "st"
