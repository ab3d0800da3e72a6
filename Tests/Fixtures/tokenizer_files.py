"""Tiny tokenizers, trained on the text beside this file: byte-level BPE and SentencePiece-style BPE."""

import json
import os

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")

CASES = [
    "The lighthouse at Corran Point",
    "Slower, and when she went too slow he said nothing at all.",
    "  two spaces, then\ttab,\n\nempty line  ",
    "He'll say they've WON'T 12345 3.14 20:48",
    "Überlingen café 東京 🐢 👩‍🔬 e\u0301 \u00a0x",
    "def f(x):\n    return x ** 2  # square\n",
    "",
    " ",
    "a",
]


def _corpus(text_folder):
    with open(os.path.join(text_folder, "lighthouse.txt"), encoding="utf-8") as file:
        texts = file.read().split("\n")
    with open(os.path.join(text_folder, "notes.jsonl"), encoding="utf-8") as file:
        texts += [json.loads(line)["text"] for line in file]
    return texts


def byte_level(text_folder, size, specials, pattern, normalizer=None, bos=None):
    """A byte-level BPE of `size` ids, its special tokens last; `bos` is put in front of every text."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=False))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(specials), show_progress=False, special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(_corpus(text_folder), trainer)
    tokenizer.add_special_tokens(specials)
    byte_level_processor = processors.ByteLevel(trim_offsets=False)
    if bos is None:
        tokenizer.post_processor = byte_level_processor
    else:
        template = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))])
        tokenizer.post_processor = processors.Sequence([byte_level_processor, template])
    assert tokenizer.get_vocab_size() == size
    return tokenizer


def sentencepiece_style(text_folder, size):
    """BPE over whole texts with `▁` for spaces and bytes for unknown characters, as in Llama-1/2 and Mistral-7B-v0.1.

    Merges are learned inside words (so that they are useful), then moved to a model that knows no words.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    head = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    letters = [c for c in "▁etaonihsrdlucmwfgypbvk,." ]
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=head, limit_alphabet=len(letters),
        initial_alphabet=letters)
    learner.train_from_iterator(_corpus(text_folder), trainer)
    model = json.loads(learner.to_str())["model"]
    vocabulary = model["vocab"]
    merges = [tuple(pair) for pair in model["merges"]]

    tokenizer = Tokenizer(models.BPE(
        vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    assert tokenizer.get_vocab_size() == size
    return tokenizer


def write(tokenizer, folder, settings):
    """tokenizer.json without blanks, and tokenizer_config.json."""
    data = json.loads(tokenizer.to_str())
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file, ensure_ascii=False, indent=2)
        file.write("\n")


def expected_cases(tokenizer):
    """Ids with and without special tokens, and the text decoded from the latter."""
    rows = []
    for text in CASES:
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({
            "text": text, "ids": plain, "ids_with_special_tokens": tokenizer.encode(text).ids,
            "decoded": tokenizer.decode(plain, skip_special_tokens=False)})
    return rows
