"""Trains the small tokenizers of Fixtures/ and records what the reference implementations make of difficult texts.

Needs: pip install tokenizers sentencepiece
Run:   python make_fixtures.py        (writes Fixtures/ beside this file; the output is deterministic for given versions)
"""

import io
import json
import random
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FIXTURES = Path(__file__).parent / "Fixtures"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CORPUS = [
    "The little river ran down from the hills, and nobody knew where it had begun its long way to the sea.",
    "She's sure they'll say we've gone; I'd rather he didn't, but I'm told that's what you're after.",
    "THEY'RE SHOUTING: IT'S LATE, WE'LL GO, I'VE HAD ENOUGH, I'D SAY SO, I'M OFF, DON'T WAIT!",
    "def area(radius):\n    pi = 3.14159265\n    return pi * radius ** 2  # in square metres\n\n\nprint(area(10))\n",
    "for (int i = 0; i < 100; ++i) {\n\tsum += values[i] * weights[i];\n}\r\n\r\n",
    "In 1969 the price was 12,345.67 euros; in 2024 it is 98765 – a factor of 8.0001 or 700%.",
    "Der Fluß floß über die Brücke, während die Mädchen schöne Äpfel aßen.",
    "L'été, les élèves étudient à côté du château où naquit le poète.",
    "Быстрая коричневая лиса прыгает через ленивую собаку и бежит домой.",
    "Η γρήγορη αλεπού πηδά πάνω από τον τεμπέλη σκύλο.",
    "我们在河边散步,天气很好。今天是星期三,明天下雨吗?",
    "日本語のテキストには漢字とひらがなとカタカナがあります。",
    "안녕하세요, 오늘 날씨가 정말 좋네요. 한국어 문장입니다.",
    "السلام عليكم ورحمة الله وبركاته، كيف حالك اليوم؟",
    "नमस्ते, आप कैसे हैं? आज मौसम बहुत अच्छा है।",
    "Emoji 🙂🙃 and 🏳️‍🌈 and 👩‍👩‍👧‍👦 and 🎉🎉🎉 are scalars too.",
]

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", " \n", "\n ", "\t", "\t\t", " \t \n \r\n  x", "a", " a", "  a", "a ", "a  ", "a   b",
    "Hello, world!", "  leading", "trailing  ", "one\ntwo\n\nthree\n\n\n", "tabs\tand\t\tmore", "x\u00a0y\u2003z\u3000w\u0085v",
    "\u2028line\u2029paragraph", "a\u200bb\u200dc\ufeffd", "nul\x00 bell\x07 escape\x1b[0m delete\x7f", "\u001c\u001d\u001e\u001f separators",
    "I'm you're he's we've they'll I'd don't", "I'M YOU'RE HE'S WE'VE THEY'LL I'D DON'T", "'s 'S '\u017f '\u017ftr 'll 'Ll 'lL 'LL 'l 'x ''s '",
    "it\u2019s curly", "rock'n'roll", "'re're'VE", "don't'", "' s", "'",
    "1 12 123 1234 12345 1234567890", "3.14159 1,000,000 0x1F 1e-10", "½ ¾ ² ³ ① Ⅷ ٣٤٥ १२३ 五百", "a1b22c333d4444", "  1", " 12  34   567",
    "x²+y²=z²", "!!!???...", "(a)[b]{c}<d>", "a_b-c/d\\e|f", "$100 €200 £300 ¥400", "http://example.com/a?b=c&d=e#f", "user@example.com",
    "if (a == b) {\n    return c;\n}\n", "\n\n  \n\t\nindented", "end of line   \nnext", "dots ... \n\n", "!\n!\r!\r\n!", " !\n\n x",
    "Straße ŒUVRE İstanbul ǅ ﬁ ﬀ", "café cafe\u0301 e\u0301\u0323 e\u0323\u0301", "A\u030a \u00c5 \u212b", "\u1e9b\u0323 \u0344", "\u1100\u1161\u11a8 각 \uac01",
    "Ωμέγα Ω \u2126 ;\u037e", "Привет, мир! Ёлка", "你好,世界!", "これはテストです。", "안녕 세상", "שלום עולם", "مرحبا بالعالم", "สวัสดีชาวโลก", "नमस्ते दुनिया",
    "🙂", "🙂🙃", "👩‍👩‍👧‍👦 family", "🏳️‍🌈 flag 🇩🇪🇫🇷", "👍🏽 thumbs", "a🙂b", "🎉" * 12, "\U00020000\U0002a6d6", "\U0001d54f\U0001d7d8", "\ue000 private \U0010fffd",
    "\ufffd replacement", "\u0300 mark first", "a\u0300\u0301\u0302\u0303", "Z\u0351\u036b\u0343a\u0363\u0368lgo",
    "▁ lower ▁▁ block▁", "Ġ Ċ ĉ alphabet", "<0x41> <0x0A> <0xZZ>", "<unk> <s> </s>", "word<|end|>word", "<|begin|>Hi<|end|>\n", "<|begin|><|begin|> <|end|>",
    "<|endx|> <|end <|end|", "a <mask> b", "a  <mask>  b<mask>", "\u00a0<mask>\n\t<mask> c", "keyword", "a keyword b", "keywords akeyword key_keyword keyword.",
    "ékeyword keyword\u0301", "kéy", "k\u0065\u0301y k\u00e9y", "tool<call>x</call> <call>", "<call", "<calling>",
    "\u088f\u0c5c letters of Unicode 17 \U00011de0\U00011de5 digits", "\U00016ff4a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abab" * 20, " " * 70 + "x", "\n" * 40, "ab " * 30,
]  # fmt: skip


def random_texts(count, seed):
    """Texts of scalars drawn from ranges that matter to a pre-tokenizer; surrogates are no scalars."""
    rng = random.Random(seed)
    pools = [
        [chr(c) for c in range(0x20, 0x7F)],
        list(" \t\n\r  \u00a0\u3000'"),
        list("0123456789²½٣Ⅷ"),
        [chr(c) for c in range(0xA0, 0x250)],
        [chr(c) for c in range(0x300, 0x370)],
        [chr(c) for c in range(0x370, 0x530)],
        [chr(c) for c in range(0x4E00, 0x4E80)],
        [chr(c) for c in range(0x1F300, 0x1F650)],
        [chr(c) for c in range(0x20)] + ["\x7f", "\u200d", "\ufe0f"],
        [chr(c) for c in range(0x800, 0xD800, 7)] + [chr(c) for c in range(0x10000, 0x110000, 997)],
        ["<|begin|>", "<|end|>", "<mask>", "keyword", "'s", "'LL", "'\u017f", "the", " river", "<s>", "</s>", "<unk>", "<call>", "▁"],
    ]  # fmt: skip
    texts = []
    for _ in range(count):
        chosen = rng.sample(pools, rng.randint(1, 5))
        texts.append("".join(rng.choice(rng.choice(chosen)) for _ in range(rng.randint(1, 40))))
    return texts


def byte_level(pre_tokenizer, normalizer=None, size=480, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|begin|>", "<|end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def gpt2():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.add_tokens([AddedToken("keyword", single_word=True, normalized=False)])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True)])
    return tokenizer


def gpt2_prefix_space():
    """As RoBERTa: a space before the text, and an alphabet with bytes missing, unknown ones fused."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=220, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS[:7], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return tokenizer


def llama3():
    split = pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = byte_level(pre_tokenizers.Sequence([split, bytes_only]), ignore_merges=True)
    template = processors.TemplateProcessing(
        single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1", special_tokens=[("<|begin|>", 0)]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    tokenizer.add_tokens([AddedToken("<call>", lstrip=True, normalized=True), AddedToken("</call>", rstrip=True)])
    # A token that no merge makes: only ignore_merges produces it.
    data = json.loads(tokenizer.to_str())
    size = len(data["model"]["vocab"])
    for token in data["added_tokens"]:
        if token["id"] >= size:
            token["id"] += 1
    data["model"]["vocab"]["Ġlower"] = size
    return Tokenizer.from_str(json.dumps(data))


def qwen2():
    split = pre_tokenizers.Split(Regex(QWEN2), behavior="isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = byte_level(pre_tokenizers.Sequence([split, bytes_only]), normalizers.NFC())
    tokenizer.add_tokens([AddedToken("k\u0065\u0301y", normalized=True), AddedToken("<call>", normalized=False)])
    return tokenizer


def smollm():
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer = byte_level(pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]))
    # Bytes that no text needs are missing, as in the original.
    data = json.loads(tokenizer.to_str())
    vocabulary = data["model"]["vocab"]
    alphabet = {"\u0100", "\u0104", "\u00f1"}  # the bytes 0x00, 0x04, 0xF1
    kept = [token for token in sorted(vocabulary, key=vocabulary.get) if token not in alphabet]
    data["model"]["vocab"] = {token: index for index, token in enumerate(kept)}
    return Tokenizer.from_str(json.dumps(data))


def sentencepiece_model():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 4), model_writer=model, model_type="bpe", vocab_size=640, byte_fallback=True,
        character_coverage=0.995, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        add_dummy_prefix=True, allow_whitespace_only_pieces=True, minloglevel=2, num_threads=1,
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def pieces_of(processor):
    """Text, score and GGUF token type of every piece."""
    pieces = []
    for index in range(processor.get_piece_size()):
        flags = [(processor.is_unknown, 2), (processor.is_control, 3), (processor.is_byte, 6)]
        kind = next((kind for holds, kind in flags if holds(index)), 1)
        pieces.append((processor.id_to_piece(index), processor.get_score(index), kind))
    return pieces


def merges_of(pieces):
    """Every cut of a piece into two pieces, best score first; as converters from SentencePiece do."""
    ids = {text: index for index, (text, _, _) in enumerate(pieces)}
    merges = []
    for text, score, kind in pieces:
        if kind not in (2, 3, 6):
            cuts = [(text[:i], text[i:]) for i in range(1, len(text)) if text[:i] in ids and text[i:] in ids]
            merges += [(score, pair) for pair in sorted(cuts, key=lambda pair: (ids[pair[0]], ids[pair[1]]))]
    return [pair for score, pair in sorted(merges, key=lambda merge: -merge[0])]


def llama2(pieces):
    vocabulary = {text: index for index, (text, _, _) in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges_of(pieces), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    strip = decoders.Strip(" ", 1, 0)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def metaspace(pieces):
    """As Mistral's later files: Metaspace, only before the first word, and a normalised added token."""
    tokenizer = Tokenizer.from_str(llama2(pieces).to_str())
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", "first", False)])
    tokenizer.add_tokens([AddedToken("keyword", single_word=True), AddedToken("<call>", lstrip=True, rstrip=True)])
    return tokenizer


def gguf_llama(processor):
    """The fields of a GGUF file, with what SentencePiece itself makes of the texts."""
    texts = [text for text in TEXTS + random_texts(60, seed=5) if "\0" not in text and "▁" not in text]
    texts = [text for text in texts if not any(token in text for token in ("<unk>", "<s>", "</s>"))]
    return {
        "tokens": [text for text, _, _ in pieces_of(processor)],
        "scores": [score for _, score, _ in pieces_of(processor)],
        "types": [kind for _, _, kind in pieces_of(processor)],
        "cases": [{"text": text, "ids": processor.encode(text)} for text in texts],
    }


def expectations(tokenizer, texts, rng):
    """Per text its ids; the decoded text, where it is another; the ids without special tokens, where they are other."""
    cases = []
    for text in texts:
        case = {"ids": tokenizer.encode(text, add_special_tokens=False).ids}
        decoded = tokenizer.decode(case["ids"], skip_special_tokens=False)
        cases.append(case if decoded == text else case | {"decoded": decoded})
    tokenizer.encode_special_tokens = True
    plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    tokenizer.encode_special_tokens = False
    for case, ids in zip(cases, plain):
        if ids != case["ids"]:
            case["plain"] = ids
    size = tokenizer.get_vocab_size()
    random_ids = [[rng.randrange(size + 3) for _ in range(rng.randint(1, 12))] for _ in range(40)]
    return {
        "cases": cases,
        "wrapped": tokenizer.encode("the river", add_special_tokens=True).ids,
        "decodings": [
            {"ids": ids, "all": tokenizer.decode(ids, skip_special_tokens=False), "plain": tokenizer.decode(ids)}
            for ids in random_ids
        ],
    }


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    processor = sentencepiece_model()
    pieces = pieces_of(processor)
    tokenizers = {
        "gpt2": gpt2(), "gpt2-prefix-space": gpt2_prefix_space(), "llama3": llama3(), "qwen2": qwen2(),
        "smollm": smollm(), "llama2": llama2(pieces), "metaspace": metaspace(pieces),
    }  # fmt: skip
    texts = TEXTS + random_texts(50, seed=1)
    write(FIXTURES / "texts.json", texts)
    for name, tokenizer in tokenizers.items():
        write(FIXTURES / name / "tokenizer.json", json.loads(tokenizer.to_str()))
        write(FIXTURES / name / "expected.json", expectations(tokenizer, texts, random.Random(name)))
    write(FIXTURES / "gguf-llama.json", gguf_llama(processor))


if __name__ == "__main__":
    main()
