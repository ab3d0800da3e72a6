"""Records what transformers makes of folders with odd tokenizers, and of texts that continue a prompt.

Needs: pip install tokenizers transformers sentencepiece
Run:   python make_odd_fixtures.py      (after make_fixtures.py; writes Fixtures/odd.json and Fixtures/continuations.json)

Every folder is opened as `PreTrainedTokenizerFast`. The tokenizers have some twenty tokens.
"""

import copy
import json
import random
import tempfile
from pathlib import Path

from make_fixtures import FIXTURES
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

LETTERS = ["▁", "t", "h", "e", "c", "a", "o", "n", "r", "i", "s"]
MERGES = [["t", "h"], ["th", "e"], ["▁", "the"], ["a", "t"], ["c", "at"], ["▁", "cat"], ["o", "n"], ["i", "s"]]
TEXTS = [
    "", "the cat", "the cat is on the rat", "thez zz cat", "<s>the</s> cat<s>", " <s> the </s> cat ", "[A] the [B]cat[A][B] [C]",
    "[a] THE [b]", "a[A]b [B] c", "then  there", "[PAD][PAD] the <image> cat <x><y>", "cat", "▁the ▁cat", "othere cats",
]  # fmt: skip


def token(content, number, special=True, **more):
    value = {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": not special, "special": special}  # fmt: skip
    return value | more


def described(content, special=True, **more):
    value = token(content, 0, special, **more)
    del value["id"]
    return value


def template(single, **ids):
    """`single` as `<s> $A`; `ids` of names in other than the usual way."""
    parts = [{"Sequence": {"id": "A", "type_id": 0}} if part == "$A" else {"SpecialToken": {"id": part, "type_id": 0}}
             for part in single.split()]  # fmt: skip
    known = {"<s>": [1], "</s>": [2], "<unk>": [0]} | ids
    names = {part for part in single.split() if part != "$A"}
    return {"type": "TemplateProcessing", "single": parts, "pair": [],
            "special_tokens": {name: {"id": name, "ids": known[name], "tokens": ["x"] * len(known[name])} for name in names}}  # fmt: skip


def base():
    texts = ["<unk>", "<s>", "</s>", *LETTERS, *("".join(merge) for merge in MERGES)]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [token("<unk>", 0), token("<s>", 1), token("</s>", 2)], "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        "post_processor": template("<s> $A"),
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {text: number for number, text in enumerate(texts)}, "merges": copy.deepcopy(MERGES)},
    }  # fmt: skip


NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SIZE = 3 + len(LETTERS) + len(MERGES)
CASES = {}


def case(name, change=lambda value: None, config=NAMED, raw=lambda text: text, **files):
    """`change` alters the object of tokenizer.json, `raw` its text; `files` are other files, `_json` for `.json`."""
    value = base()
    change(value)
    texts = {"tokenizer.json": raw(json.dumps(value, ensure_ascii=False, separators=(",", ":")))}
    if config is not None:
        texts["tokenizer_config.json"] = json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **config})
    for key, content in files.items():
        texts[key.replace("_json", ".json")] = json.dumps(content)
    CASES[name] = texts


def vocabulary(value):
    return value["model"]["vocab"]


def add(*tokens):
    return lambda value: value["added_tokens"].extend(tokens)


def processor(value):
    return lambda data: data.update(post_processor=value)


def define():
    case("plain")
    # Ids
    case("gap in the model", lambda v: vocabulary(v).update({"▁cat": 40}))
    case("gap before an added token", add(token("[A]", SIZE + 5)))
    case("added ids in another order", add(token("[B]", SIZE + 1), token("[A]", SIZE)))
    case("gap that added tokens fill", lambda v: (vocabulary(v).update({"▁cat": SIZE + 1}), add(token("[A]", 90), token("[B]", 91))(v)))  # fmt: skip
    case("an added id that is taken", add(token("[A]", 5)))
    case("a text of the model as added token", add(token("the", 99, False), token("cat", 98)))
    case("a text added twice", add(token("[A]", SIZE), token("[A]", SIZE + 1, False, lstrip=True)))
    case("an added token without text", add(token("", SIZE), token("[A]", SIZE + 1)))
    case("a text with two ids", raw=lambda text: text.replace('"vocab":{', '"vocab":{"cat":50,', 1))
    case("an id with two texts", lambda v: vocabulary(v).update({"z": vocabulary(v)["o"]}))
    case("a token without text", lambda v: vocabulary(v).update({"": SIZE}))
    case("a merge twice", lambda v: v["model"]["merges"].append(["t", "h"]))
    case("merges as text", lambda v: v["model"].update(merges=[" ".join(merge) for merge in MERGES]))
    case("no type and no options", lambda v: v.update(model={"vocab": vocabulary(v), "merges": MERGES}))
    case("unknown keys of parts", lambda v: (v["model"].update(more=1), v["decoder"].update(more=1)))
    case("null options", lambda v: v["model"].update(fuse_unk=None, byte_fallback=None, ignore_merges=None))
    case("the first line of merges.txt", lambda v: v["model"].update(merges=["#version: 0.2", "t h", "th e"]))
    case("truncation and padding", lambda v: v.update(
        truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        padding={"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 2, "pad_type_id": 0,
                 "pad_token": "</s>"}))  # fmt: skip
    # What stands around a text
    case("add_bos_token is false", config=NAMED | {"add_bos_token": False})
    case("add_bos_token without a template", processor(None), config=NAMED | {"add_bos_token": True, "add_eos_token": True})
    case("the template's token is not bos_token", config=NAMED | {"bos_token": "</s>"})
    case("two tokens before and one after", processor(template("<s> </s> $A </s>")))
    case("a special token of two ids", processor(template("<s> $A </s>", **{"<s>": [1, 0]})))
    case("RobertaProcessing", processor({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True,
                                         "add_prefix_space": False}))  # fmt: skip
    case("BertProcessing", processor({"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}))
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    case("Sequence of ByteLevel and a template", processor(
        {"type": "Sequence", "processors": [byte_level, template("<s> $A </s>")]}))  # fmt: skip
    case("a template without special tokens", processor(template("$A")))
    # Beside tokenizer.json
    case("no configuration", config=None)
    case("added_tokens.json", add(token("[A]", SIZE)), added_tokens_json={"[A]": SIZE, "[B]": SIZE + 1, "[C]": SIZE + 2},
         special_tokens_map_json={"additional_special_tokens": ["[C]"]})  # fmt: skip
    case("added_tokens.json with another id", add(token("[A]", SIZE)), added_tokens_json={"[A]": SIZE + 4, "cat": 70})
    case("special_tokens_map.json over the configuration", special_tokens_map_json={
        "bos_token": {"content": "</s>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False},
        "eos_token": "[A]", "pad_token": "[PAD]"})  # fmt: skip
    case("added_tokens_decoder", add(token("[A]", SIZE)), config=NAMED | {"added_tokens_decoder": {
        str(SIZE + 1): described("[B]", False, lstrip=True), str(SIZE): described("[A]", rstrip=True),
        "1": described("<s>", lstrip=True)}})  # fmt: skip
    case("added_tokens_decoder beside the other files", config=NAMED | {"added_tokens_decoder": {"1": described("<s>")}},
         added_tokens_json={"[B]": SIZE}, special_tokens_map_json={"eos_token": "[A]"})  # fmt: skip
    case("added_tokens_decoder out of order", config=NAMED | {"added_tokens_decoder": {
        str(SIZE + 7): described("[B]"), str(SIZE + 3): described("[A]")}})  # fmt: skip
    case("named tokens that are not added", lambda v: v.update(added_tokens=[]))
    case("a padding token of its own", config=NAMED | {"pad_token": "[PAD]"})
    case("other special tokens", config=NAMED | {"extra_special_tokens": ["[A]", "<x>"], "image_token": "<image>"})
    case("additional special tokens", config=NAMED | {"additional_special_tokens": ["[B]", "<s>"], "mask_token": "[A]"})
    case("named extra tokens", config=NAMED | {"extra_special_tokens": {"image_token": "<image>", "y_token": "<y>"}})
    case("special tokens are text", config=NAMED | {"split_special_tokens": True})
    case("null and NaN in the configuration", config=NAMED | {"pad_token": None, "model_max_length": float("inf"), "x": float("nan")})


def refused():
    """Texts of tokenizer.json that `tokenizers` does not open, or cannot encode with."""
    def changed(change):
        value = base()
        change(value)
        return json.dumps(value, ensure_ascii=False)

    texts = {
        "another version": changed(lambda v: v.update(version="2.0")),
        "an unknown key": changed(lambda v: v.update(more=1)),
        "no model": changed(lambda v: v.pop("model")),
        "no merges": changed(lambda v: v["model"].update(merges=None)),
        "no id": changed(lambda v: vocabulary(v).update(q=None)),
        "a negative id": changed(lambda v: vocabulary(v).update(q=-1)),
        "a merge of an unknown token": changed(lambda v: v["model"]["merges"].append(["z", "z"])),
        "a merge into an unknown token": changed(lambda v: v["model"]["merges"].append(["r", "i"])),
        "a merge of an added token": changed(lambda v: (add(token("ri", SIZE))(v), v["model"]["merges"].append(["r", "i"]))),
        "merges of two kinds": changed(lambda v: v["model"]["merges"].append("t h")),
        "a merge of three": changed(lambda v: v["model"].update(merges=["t  h"])),
        "an option that is no flag": changed(lambda v: v["model"].update(fuse_unk="yes")),
        "a dropout that is no number": changed(lambda v: v["model"].update(dropout="x")),
        "two that disagree": changed(lambda v: v["pre_tokenizer"].update(add_prefix_space=False)),
        "two templates": changed(processor(
            {"type": "Sequence", "processors": [template("<s> $A <unk>"), template("</s> $A </s>")]})),
    }  # fmt: skip
    for name, text in texts.items():
        try:
            Tokenizer.from_str(text).encode("the cat")
        except BaseException:  # a panic of the library is none of Exception
            continue
        raise AssertionError(f"tokenizers takes {name}")
    return texts


def outcome(texts):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    decode = tokenizer.backend_tokenizer.decode
    return {
        "ids": ids,
        "plain": [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS],
        "all": [decode(one, skip_special_tokens=False) for one in ids],
        "decoded": [decode(one, skip_special_tokens=True) for one in ids],
        "named": {name: getattr(tokenizer, name + "_token_id") for name in ("bos", "eos", "pad", "unk")},
    }


def continuations():
    """Prompts, tokens after them, and the text of all of them without the prompt's."""
    rng = random.Random(3)
    result = {}
    for name in ("llama2", "metaspace", "gpt2", "llama3"):
        tokenizer = Tokenizer.from_file(str(FIXTURES / name / "tokenizer.json"))
        size, cases = tokenizer.get_vocab_size(), []
        for prompt in ("the river", "The ", "  two", "é", "naïve é", "<s>", "x🙂", "She's", "\n", "ти"):
            for _ in range(6):
                tokens = [rng.randrange(size) for _ in range(rng.randint(1, 6))]
                before = tokenizer.encode(prompt).ids
                start, whole = tokenizer.decode(before), tokenizer.decode(before + tokens)
                if whole.startswith(start):
                    cases.append({"prompt": before, "tokens": tokens, "text": whole[len(start):]})
        result[name] = cases
    return result


def write(name, value):
    (FIXTURES / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    define()
    cases = [{"name": name, "files": files} | outcome(files) for name, files in CASES.items()]
    write("odd.json", {"texts": TEXTS, "cases": cases, "refused": refused()})
    write("continuations.json", continuations())


if __name__ == "__main__":
    main()
