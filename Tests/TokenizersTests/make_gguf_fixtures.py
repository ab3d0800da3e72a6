"""Records which ids llama.cpp gives for difficult texts, for every name of a pre-tokenizer that is read here.

Needs: pip install tokenizers gguf xllamacpp numpy
Run:   python make_gguf_fixtures.py      (after make_fixtures.py; writes Fixtures/gguf-pre.json)

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


def write(path, change):
    """A GGUF of a network of zeros with this vocabulary; `change` sets the keys of the tokenizer."""
    tokens, kinds, merges = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    change(writer)
    shapes = {f"blk.0.attn_{name}.weight": (8, 8) for name in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{name}.weight": (8, 8) for name in ("gate", "up", "down")}
    shapes |= {"blk.0.attn_norm.weight": (8,), "blk.0.ffn_norm.weight": (8,), "output_norm.weight": (8,)}
    shapes |= {"token_embd.weight": (len(tokens), 8), "output.weight": (len(tokens), 8)}
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


if __name__ == "__main__":
    main()
