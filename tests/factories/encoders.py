"""A BERT of two layers with random weights, as a folder that the real loading code reads."""

WORDS = "what is two plus three name the capital of france easy hard question a b human assistant"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_TOKENS = 32


def tiny_encoder(folder):
    """Save a random BERT with a WordPiece vocabulary of words, letters and marks."""
    import string

    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL, *dict.fromkeys([*WORDS.split(), *letters]), *(f"##{c}" for c in letters)]
    number = {piece: n for n, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(number, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = ("pad", "unk", "cls", "sep", "mask")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        **{f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)},
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(number),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def reward_encoder(folder, *, n_outputs=1, chat_template=None):
    """Save the random BERT with a classification head of `n_outputs`."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tiny_encoder(folder)
    torch.manual_seed(1)
    config = BertConfig.from_pretrained(folder, num_labels=n_outputs)
    network = BertForSequenceClassification(config)
    with torch.no_grad():
        network.classifier.weight.mul_(50)  # otherwise all scores are about equal
    network.save_pretrained(folder)
    if chat_template is not None:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = chat_template
        tokenizer.save_pretrained(folder)
    return folder
