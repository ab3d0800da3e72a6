"""Records which ids llama.cpp gives for difficult texts, for every name of a pre-tokenizer that is read here.

Needs: pip install tokenizers gguf xllamacpp numpy
Run:   python make_gguf_fixtures.py      (after make_fixtures.py; writes Fixtures/gguf-pre.json and gguf-variants.json)

The vocabulary is that of Fixtures/llama3, which has a token that no merge makes. The network around it is of zeros.
"""

import json
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

from make_fixtures import FIXTURES, TEXTS, random_texts

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))
from stock_llama_cpp import LlamaCpp

NAMES = [
    None, "default", "gpt-2", "phi-2", "olmo", "jais", "mpt", "exaone4", "gigachat", "mellum", "trillion", "granite-docling",
    "a.x-4.0", "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "smaug-bpe", "dbrx",
    "qwen2", "deepseek-r1-qwen", "megrez", "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b",
]  # fmt: skip
MORE = [
    "1 12 123 1234 12345 123456789 1²3 ²²² 12²345 ٣٤٥٦ 1a23b456c7890 3.14159 1,000,000", "a^b `code` $5 <x=y> ~z | w € § ¶ « » „“ … — –",
    "!!! ?!? ... --- __init__ #### //// \\\\ @user", "x+=1; y-=2; z==3 && !w", "「日本」、。 ¡Hola! ¿Qué? ·", " !  ?  (a) [ b ] { c }",
    "'s 'S don't DON'T we'll WE'LL ''ll", "\t\ttabs  \n\n  spaces   end   ", "a\u00a0b\u2003c\u3000 d\u0085e", "㎏ ™ © ® ° ± × ÷ ← ⇒ ∑ √",
]  # fmt: skip


def vocabulary():
    data = json.loads((FIXTURES / "llama3" / "tokenizer.json").read_text(encoding="utf-8"))
    texts = {number: text for text, number in data["model"]["vocab"].items()}
    kinds = dict.fromkeys(texts, 1)
    for token in data["added_tokens"]:
        texts[token["id"]] = token["content"]
        kinds[token["id"]] = 3 if token["special"] else 4
    size = max(texts) + 1
    return [texts[i] for i in range(size)], [kinds[i] for i in range(size)], [" ".join(m) for m in data["model"]["merges"]]


# Files that leave something out, or say it in another way. Absent keys are as in `gpt2` and `llama` below.
VARIANTS = {
    "add_bos without an id": {"model": "gpt2", "addBOS": True},
    "add_eos without an id": {"model": "gpt2", "addEOS": True},
    "add_bos with an id that no token has": {"model": "gpt2", "addBOS": True, "bosToken": 100_000},
    "llama-bpe without any id": {"model": "gpt2", "pre": "llama-bpe"},
    "both ends": {"model": "gpt2", "addBOS": True, "bosToken": 0, "addEOS": True, "eosToken": 1},
    "no types": {"model": "gpt2", "types": None},
    "an end token of type normal": {"model": "gpt2", "types": {"0": 1, "1": 1}},
    "an end token that is not used": {"model": "gpt2", "types": {"1": 5}},
    "a token without text": {"model": "gpt2", "tokens": {"480": ""}},
    "a merge twice": {"model": "gpt2", "merges": [0, 5]},
    "llama": {"model": "llama"},
    "llama without scores": {"model": "llama", "scores": None},
    "llama without types": {"model": "llama", "types": None},
    "llama without a space in front": {"model": "llama", "addSpacePrefix": False},
    "llama without BOS": {"model": "llama", "addBOS": False},
    "llama with EOS": {"model": "llama", "addEOS": True},
    "llama with another BOS": {"model": "llama", "bosToken": 2},
}
VARIANT_TEXTS = [
    "the river", " the river  ran", "<|begin|>Hi<|end|> there", "<|end|>", "[EMPTY_480] x lower", "She's sure they'll say 12345",
    "<s>the</s> river", "schöne Äpfel 我们", "\n\n tab\t", "", "x",
]  # fmt: skip


def variant(change):
    """The ids of the texts by llama.cpp, with what it puts around them."""
    if change["model"] == "gpt2":
        tokens, kinds, merges = vocabulary()
        scores = None
    else:
        data = json.loads((FIXTURES / "gguf-llama.json").read_text(encoding="utf-8"))
        tokens, kinds, merges, scores = data["tokens"], data["types"], None, data["scores"]
    for index, text in change.get("tokens", {}).items():
        tokens[int(index)] = text
    for index, kind in (change.get("types", {}) or {}).items():
        kinds[int(index)] = kind
    if merges:
        merges = merges + [merges[index] for index in change.get("merges", [])]

    def tokenizer(writer):
        writer.add_tokenizer_model(change["model"])
        writer.add_token_list(tokens)
        if "types" not in change or change["types"] is not None:
            writer.add_token_types(kinds)
        if merges:
            writer.add_token_merges(merges)
            writer.add_tokenizer_pre(change.get("pre", "gpt-2"))
        if scores and "scores" not in change:
            writer.add_token_scores(scores)
        for key, call in (("addBOS", writer.add_add_bos_token), ("addEOS", writer.add_add_eos_token),
                          ("bosToken", writer.add_bos_token_id), ("eosToken", writer.add_eos_token_id),
                          ("addSpacePrefix", writer.add_add_space_prefix)):  # fmt: skip
            if key in change:
                call(change[key])

    path = Path(tempfile.mkdtemp()) / "variant.gguf"
    network(path, len(tokens), tokenizer)
    with LlamaCpp(str(path), context_length=64, threads=1) as model:
        return [model.tokenize(text, True, True) for text in VARIANT_TEXTS]


def write(path, change):
    """A GGUF with this vocabulary; `change` sets further keys of the tokenizer."""
    tokens, kinds, merges = vocabulary()

    def tokenizer(writer):
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        writer.add_token_merges(merges)
        change(writer)

    network(path, len(tokens), tokenizer)


def network(path, rows, tokenizer):
    """A GGUF of a network of zeros; `tokenizer` sets the keys of the tokenizer."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    tokenizer(writer)
    shapes = {f"blk.0.attn_{name}.weight": (8, 8) for name in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{name}.weight": (8, 8) for name in ("gate", "up", "down")}
    shapes |= {"blk.0.attn_norm.weight": (8,), "blk.0.ffn_norm.weight": (8,), "output_norm.weight": (8,)}
    shapes |= {"token_embd.weight": (rows, 8), "output.weight": (rows, 8)}
    for name, shape in shapes.items():
        writer.add_tensor(name, np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    # llama.cpp's tables are of an older Unicode than those of `tokenizers`, and it ends a text at a NUL.
    texts = [text for text in TEXTS + MORE + random_texts(60, seed=7) if "\0" not in text and "\u088f" not in text]
    path = Path(tempfile.mkdtemp()) / "pre.gguf"
    results = {}
    for name in NAMES:
        def change(writer):
            if name is not None:
                writer.add_tokenizer_pre(name)
            writer.add_bos_token_id(0)

        write(path, change)
        with LlamaCpp(str(path), context_length=64, threads=1) as model:
            key = json.dumps([model.adds_bos, [model.tokenize(text, False, True) for text in texts]])
        results.setdefault(key, []).append(name or "")
    rules = [{"names": names, "addsBOS": json.loads(key)[0], "ids": json.loads(key)[1]} for key, names in results.items()]
    tokens, kinds, merges = vocabulary()
    value = {"tokens": tokens, "types": kinds, "merges": merges, "texts": texts, "rules": rules}
    (FIXTURES / "gguf-pre.json").write_text(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    for rule in rules:
        print(rule["names"], rule["addsBOS"])
    variants = [{"name": name, "change": change, "ids": variant(change)} for name, change in VARIANTS.items()]
    (FIXTURES / "gguf-variants.json").write_text(
        json.dumps({"texts": VARIANT_TEXTS, "variants": variants}, ensure_ascii=False, separators=(",", ":")) + "\n",
        encoding="utf-8")  # fmt: skip


if __name__ == "__main__":
    main()
