"""Records how transformers continues prompts with the fixture models, greedily.

Needs: pip install torch transformers
Run:   python make_generations.py        (writes generations.json beside this file)
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
PROMPTS = ["The lighthouse", "the sea and", "a", "She said that the keep"]
TOKENS = 12


def main():
    torch.set_num_threads(1)
    result = {}
    for name in ("llama-mha", "llama3-gqa"):
        folder = HERE / "models" / name
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        result[name] = {}
        for prompt in PROMPTS:
            ids = torch.tensor([tokenizer.encode(prompt).ids])
            every = model.generate(ids, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0)[0].tolist()
            text = tokenizer.decode(every)
            assert text.startswith(prompt)
            result[name][prompt] = text
    (HERE / "generations.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
