"""The engines huggingface and ctranslate2 on the real classes of each family, small and with random weights."""

import json
import os
import shutil
import signal
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from utils.runs import UserError, outputs
from utils.translation.engines import ctranslate2 as ct2
from utils.translation.engines import huggingface as hf
from utils.translation.engines.setup import Setup

TEXTS = [
    "The red ball is on the left of the dog.", "No.", "There are three birds and two cats above the table in the picture.", "Is the dog near it?",
    "The picture shows a cat and a ball.", "What is above the table?", "Yes.", "A blue bird is on the right of the small cat.",
]  # fmt: skip
CODES = {
    "marian": (">>pob<<", ">>por<<", ">>ita<<"),
    "m2m100": ("__pt__", "__pt__", "__it__"),
    "nllb": ("por_Latn", "por_Latn", "ita_Latn"),
    "madlad": ("<2pt>", "<2pt>", "<2it>"),
}
FAMILIES = ("marian", "nllb", "m2m100", "madlad")
ENGINES = {"huggingface": hf, "ctranslate2": ct2}


def _pieces(folder, **options):
    """A sentencepiece model trained on the texts, saved in `folder`."""
    import sentencepiece

    options = {"vocab_size": 120, "hard_vocab_limit": False, "minloglevel": 2, "character_coverage": 1.0, **options}
    with open(folder / "pieces.spm", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS * 5), model_writer=file, **options)
    return sentencepiece.SentencePieceProcessor(str(folder / "pieces.spm"))


def marian_tokenizer(folder, codes=CODES["marian"], fill=0):
    from transformers import MarianTokenizer

    pieces = _pieces(folder)
    words = [pieces.id_to_piece(n) for n in range(3, pieces.vocab_size())]
    names = ["</s>", "<unk>", *words, *codes, *(f"fill{n}" for n in range(fill)), "<pad>"]
    (folder / "names.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    spm = str(folder / "pieces.spm")
    return MarianTokenizer(spm, spm, str(folder / "names.json"), model_max_length=48)


def nllb_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import NllbTokenizer

    draft = Tokenizer(models.BPE(unk_token="<unk>"))
    draft.pre_tokenizer = pre_tokenizers.Metaspace()
    draft.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=150, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False))
    trained = json.loads(draft.to_str())["model"]
    return NllbTokenizer(vocab=trained["vocab"], merges=[tuple(pair) for pair in trained["merges"]], model_max_length=48)


def m2m100_tokenizer(folder):
    from transformers import M2M100Tokenizer

    pieces = _pieces(folder)
    names = ["<s>", "<pad>", "</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, pieces.vocab_size()))]
    (folder / "names.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    return M2M100Tokenizer(str(folder / "names.json"), str(folder / "pieces.spm"), model_max_length=48)


def madlad_tokenizer(folder):
    """MADLAD's layout: <unk> 0, <s> 1 as padding, </s> 2, languages as words of the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = _pieces(folder, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, user_defined_symbols=["<2pt>", "<2it>"])
    words = [(pieces.id_to_piece(n), pieces.get_score(n)) for n in range(pieces.vocab_size())]
    fast = Tokenizer(models.Unigram(words, unk_id=0))
    fast.pre_tokenizer, fast.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="<unk>", pad_token="<s>", eos_token="</s>", model_max_length=48)


def config_of(family, size):
    from transformers import M2M100Config, MarianConfig, T5Config

    shape = {"d_model": 64, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
             "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "max_position_embeddings": 64, "vocab_size": size, "dropout": 0.0}  # fmt: skip
    if family == "marian":
        return MarianConfig(**shape, pad_token_id=size - 1, decoder_start_token_id=size - 1, eos_token_id=0, bos_token_id=None, forced_eos_token_id=0)
    if family == "madlad":
        return T5Config(
            vocab_size=size, d_model=64, d_kv=16, d_ff=128, num_layers=1, num_heads=4, feed_forward_proj="gated-gelu", dropout_rate=0.0,
            tie_word_embeddings=False, pad_token_id=1, eos_token_id=2, decoder_start_token_id=0, n_positions=64,
        )  # fmt: skip
    still = {"attention_dropout": 0.0, "activation_dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}
    return M2M100Config(**shape, **still, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)


def said(text, language):
    """What the small models learn to say: the last two words in Portuguese, the first two in Italian."""
    words = text.split()
    return " ".join(words[-2:] if language.startswith("pt") else words[:2])


def learn(model, tokenizer, family, steps):
    """Teach the sentences in both languages, so that answers are known, end, and differ by language."""
    import torch

    sources, targets = [], []
    for language, code in zip(("pt-BR", "it"), CODES[family][::2], strict=True):
        for text in TEXTS:
            prefix = f"{code} " if code[0] in "><" else ""
            sources.append(tokenizer(prefix + text)["input_ids"])
            ids = tokenizer(said(text, language), add_special_tokens=False)["input_ids"]
            targets.append(([] if prefix else [tokenizer.convert_tokens_to_ids(code)]) + ids + [tokenizer.eos_token_id])
    pad = lambda rows, value: torch.tensor([row + [value] * (max(map(len, rows)) - len(row)) for row in rows])  # noqa: E731
    inputs, labels = pad(sources, tokenizer.pad_token_id), pad(targets, -100)
    mask = pad([[1] * len(row) for row in sources], 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        answer = model(input_ids=inputs, attention_mask=mask, labels=labels)
        answer.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if family == "marian":  # the decoder starts with padding, which is zero in every trained Marian
            with torch.no_grad():
                model.get_input_embeddings().weight[-1] = 0
        if answer.loss < 0.02 and (answer.logits.argmax(-1) == labels)[labels != -100].all():
            break
    return model


def build(family, folder, steps=250, seed=1, **tokenizer_options):
    """A model of the family in `folder`, with safetensors and its tokenizer."""
    import torch
    from transformers import M2M100ForConditionalGeneration, MarianMTModel, T5ForConditionalGeneration

    folder.mkdir(parents=True)
    work = folder.parent / f"{folder.name}-work"
    work.mkdir()
    tokenizer = globals()[f"{family}_tokenizer"](work, **tokenizer_options)
    kind = {"marian": MarianMTModel, "madlad": T5ForConditionalGeneration}.get(family, M2M100ForConditionalGeneration)
    torch.manual_seed(seed)
    model = learn(kind(config_of(family, len(tokenizer) + (108 if family == "m2m100" else 0))), tokenizer, family, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A taught model of every family, in folders."""
    import torch

    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("models")
    return {family: build(family, place / family) for family in FAMILIES}


def ask(engine, folder, texts=TEXTS, language="pt-BR", **settings):
    return list(ENGINES[engine].translate(list(texts), language, Setup(model=str(folder), **settings)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_family_translates_in_order_and_into_the_language_asked_for(engine, family, models, monkeypatch):
    monkeypatch.setattr(ENGINES[engine], "WINDOW", 5)
    monkeypatch.setitem(ENGINES[engine].BATCH_TOKENS, "cpu", 40)
    for language in ("pt-BR", "it"):
        assert ask(engine, models[family], language=language) == [said(text, language) for text in TEXTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_ctranslate2_in_float32_says_what_transformers_says_alone_or_in_a_batch(family, models, monkeypatch):
    monkeypatch.setattr(ct2, "QUANTIZATION", "float32")
    unseen = [f"{a.split()[0]} {b.lower()}" for a, b in zip(TEXTS, TEXTS[::-1], strict=True)]
    together = ask("huggingface", models[family], unseen)
    assert len(set(together) - {""}) >= 3
    assert [ask("huggingface", models[family], [text])[0] for text in unseen] == together
    assert ask("ctranslate2", models[family], unseen) == together
    assert ask("ctranslate2", models[family], unseen, workers=2) == together


@pytest.mark.parametrize("engine", ENGINES)
def test_a_text_over_the_limit_is_left_empty_and_its_neighbours_are_not(engine, models):
    texts = [TEXTS[0], "ball " * 60, TEXTS[2]]
    assert ask(engine, models["nllb"], texts) == [said(TEXTS[0], "pt"), "", said(TEXTS[2], "pt")]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_answer_without_an_end_is_left_empty(engine, tmp_path):
    folder = build("marian", tmp_path / "untaught", steps=0)  # its configuration forces an end after the last word, as OPUS-MT's do
    assert ask(engine, folder) == [""] * len(TEXTS)


def test_a_short_text_keeps_its_own_bound_beside_a_long_one(models):
    codec = hf.open_codec(models["nllb"], "pt-BR", "")
    end, word = codec.tokenizer.eos_token_id, codec.tokenizer.convert_tokens_to_ids("▁The")

    def generate(rows, most):
        assert most == codec.limit - 2
        return [[word] * 30 + [end] for _ in rows]

    assert hf.translate_window(codec, ["No.", TEXTS[2]], 1000, generate) == ["", "The" + " The" * 29]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_window_comes_before_the_second_is_read(engine, models, monkeypatch):
    monkeypatch.setattr(ENGINES[engine], "WINDOW", 2)
    stream = ENGINES[engine].translate([*TEXTS[:2], object()], "pt-BR", Setup(model=str(models["nllb"])))
    assert [next(stream), next(stream)] == [said(text, "pt") for text in TEXTS[:2]]


def test_batches_are_sorted_and_stay_within_the_budget_and_lose_nothing():
    lengths = dict(enumerate([3, 40, 7, 7, 12, 3, 90, 8]))
    found = hf.batches(lengths, 48)
    assert found == [[6], [1], [4, 7, 2, 3], [0, 5]]  # 90 is over the budget alone and still goes


def shell(folder, family, **options):
    """A folder with configuration and tokenizer, without weights."""
    folder.mkdir()
    work = folder.parent / f"{folder.name}-work"
    work.mkdir()
    tokenizer = globals()[f"{family}_tokenizer"](work, **options)
    config_of(family, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("codes", "language", "prefix"), [
    (CODES["marian"], "pt-BR", ">>pob<< "), (CODES["marian"], "pt-PT", ">>por<< "), ((">>pt_BR<<", ">>pt<<"), "pt-BR", ">>pt_BR<< "),
    ((">>pt_BR<<", ">>pt<<"), "pt-PT", ">>pt<< "), (CODES["marian"], "it", ">>ita<< "), ((), "pt-BR", ""),
])  # fmt: skip
def test_marian_is_asked_with_the_name_it_knows(codes, language, prefix, tmp_path):
    assert hf.open_codec(shell(tmp_path / "m", "marian", codes=codes), language, "").prefix == prefix


def test_a_model_of_other_languages_is_refused(tmp_path):
    from transformers import BertConfig

    with pytest.raises(UserError, match="does not translate into pt-BR"):
        hf.open_codec(shell(tmp_path / "german", "marian", codes=(">>deu<<",)), "pt-BR", "")
    pair = shell(tmp_path / "pair", "marian", codes=())
    told = json.loads((pair / "tokenizer_config.json").read_text()) | {"target_lang": "it"}
    (pair / "tokenizer_config.json").write_text(json.dumps(told))
    assert hf.open_codec(pair, "it", "").prefix == ""
    with pytest.raises(UserError, match="does not translate into pt-BR"):
        hf.open_codec(pair, "pt-BR", "")
    other = shell(tmp_path / "bert", "nllb")
    BertConfig().save_pretrained(other)
    with pytest.raises(UserError, match="is a bert; name a Marian"):
        hf.open_codec(other, "pt-BR", "")


def test_an_unknown_letter_is_not_the_end_of_the_sentence_in_madlad(models):
    """transformers 5.23 gives T5's unknown the id 2, which ends a sentence in MADLAD's vocabulary."""
    told = json.loads((models["madlad"] / "tokenizer_config.json").read_text())
    changed = models["madlad"].parent / "madlad-as-published"
    shutil.copytree(models["madlad"], changed)
    (changed / "tokenizer_config.json").write_text(json.dumps(told | {"tokenizer_class": "T5Tokenizer", "extra_ids": 0}))
    ids = hf.open_codec(changed, "pt-BR", "").tokenizer("The € ball")["input_ids"]
    assert ids.count(2) == 1 and ids[-1] == 2 and 0 in ids


def test_no_model_names_those_that_suit_the_language():
    with pytest.raises(UserError, match="for it name Helsinki-NLP/opus-mt-tc-big-en-it, facebook/nllb-200.* or jbochi/madlad400-3b-mt"):
        hf.engine_id("it")
    with pytest.raises(UserError, match="--engine ctranslate2:Helsinki-NLP/opus-mt-tc-big-en-pt"):
        next(ct2.translate(["A"], "pt-BR"))


def test_folders_without_safe_weights_are_refused(models, tmp_path):
    shutil.copytree(models["marian"], tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    (tmp_path / "pickled" / "adapter_model.safetensors").write_bytes(b"of something else")
    for engine in ENGINES:
        with pytest.raises(UserError, match="no model.safetensors and other formats are not loaded"):
            ask(engine, tmp_path / "pickled")
    with pytest.raises(UserError, match="holds no model"):
        ask("huggingface", tmp_path)
    with pytest.raises(UserError, match="neither a folder here nor a hub name"):
        ask("huggingface", tmp_path / "absent")
    (tmp_path / "pickled" / "model.safetensors").write_bytes(b"torn")
    for engine in ENGINES:
        with pytest.raises(UserError, match="cannot be loaded|cannot convert"):
            ask(engine, tmp_path / "pickled")


def test_a_missing_package_is_named(monkeypatch, models):
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    with pytest.raises(UserError, match="engine ctranslate2 needs ctranslate2; install with: pip install ctranslate2"):
        ct2.engine_id("pt-BR", Setup(model=str(models["marian"])))


def test_the_engine_id_follows_the_weights_not_the_clock(models, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(models["nllb"], folder)
    name = lambda: [engine.engine_id("pt-BR", Setup(model=str(folder))) for engine in ENGINES.values()]  # noqa: E731
    before = name()
    assert before[0].startswith("huggingface/copy/") and "float32" in before[0] and "/int8" in before[1]
    os.utime(folder / "model.safetensors", (1, 1))
    assert name() == before
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-9000] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert all(new != old for new, old in zip(name(), before, strict=True))


def test_a_killed_conversion_leaves_nothing_and_the_next_one_is_made_once(models, monkeypatch):
    setup = Setup(model=str(models["nllb"]))

    def half(folder, part, codec):
        part.mkdir()
        (part / "model.bin").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        ct2._convert = half
        list(ct2.translate(["No."], "pt-BR", setup))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    place = outputs() / "ctranslate2"
    assert [path.name for path in place.iterdir() if not path.name.startswith(".")] == []
    assert ask("ctranslate2", models["nllb"]) == [said(text, "pt") for text in TEXTS]
    made = [path for path in place.iterdir() if path.name != ".lock"]
    assert len(made) == 1 and made[0].name.startswith("nllb-")
    monkeypatch.setattr(ct2, "_convert", half)  # a second conversion would kill this process
    assert ask("ctranslate2", models["nllb"], ["No."]) == ["No."]


def test_int8_takes_less_than_half_the_room_of_float32(models, monkeypatch):
    for quantization in ("float32", "int8"):
        monkeypatch.setattr(ct2, "QUANTIZATION", quantization)
        ask("ctranslate2", models["madlad"], ["No."])
    sizes = sorted(path.stat().st_size for path in (outputs() / "ctranslate2").glob("madlad-*/model.bin"))
    assert len(sizes) == 2 and sizes[0] < sizes[1] / 2


def test_a_full_disk_during_conversion_is_one_sentence_and_leaves_nothing(models, monkeypatch):
    def full(folder, part, codec):
        part.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ct2, "_convert", full)
    with pytest.raises(UserError, match="is full"):
        ask("ctranslate2", models["nllb"])
    assert [path.name for path in (outputs() / "ctranslate2").iterdir()] == [".lock"]


def test_a_marian_with_two_vocabularies_is_not_converted(models, tmp_path):
    shutil.copytree(models["marian"], tmp_path / "two")
    told = json.loads((tmp_path / "two" / "config.json").read_text()) | {"share_encoder_decoder_embeddings": False}
    (tmp_path / "two" / "config.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="a vocabulary for each side"):
        ask("ctranslate2", tmp_path / "two")


@contextmanager
def hub(revisions, monkeypatch, cache):
    """A hub on this machine for the unmodified client: {revision: folder} of the one model `lab/opus`; yields the paths asked for."""
    from huggingface_hub import constants

    commits, asked = {revision: f"{n:040x}" for n, revision in enumerate(revisions, 1)}, []
    folder_of = {commits[revision]: folder for revision, folder in revisions.items()} | revisions

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send(self, status, body, **headers):
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def do_GET(self):
            path = urlsplit(self.path).path.replace("%2F", "/")
            asked.append(path)
            if path.startswith("/api/models/lab/opus/revision/"):
                revision = path.split("/revision/")[1]
                self.send(200, json.dumps({"id": "lab/opus", "sha": commits[revision], "siblings": []}).encode())
            elif path == "/api/models/lab/opus":
                self.send(200, json.dumps({"id": "lab/opus", "sha": commits["main"], "siblings": []}).encode())
            elif path.startswith("/api/models/lab/opus/tree/"):
                files = folder_of[path.split("/tree/")[1]].iterdir()
                listed = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f"{len(f.name):040x}"} for f in files]
                self.send(200, json.dumps(listed).encode(), Content_Type="application/json")
            elif path == "/api/models/lab/opus/discussions":
                # As from a hub that ignores the filter: the client must look at the author itself.
                found = [pull(1, "a-stranger"), pull(3, "SFconvertbot")]
                self.send(200, json.dumps({"discussions": found, "count": 2, "start": 0}).encode())
            elif path.startswith("/lab/opus/resolve/"):
                commit, name = path.removeprefix("/lab/opus/resolve/").rsplit("/", 1)
                self.send(200, (folder_of[commit] / name).read_bytes(), ETag=f'"{commit[-1]}-{name}"', X_Repo_Commit=commits.get(commit, commit))
            else:
                self.send(404, b"{}", X_Error_Code="RepoNotFound")

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", here)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", here + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def pull(number, author):
    return {
        "num": number, "author": {"name": author}, "title": "Adding `safetensors` variant of this model", "isPullRequest": True, "status": "open",
        "repo": {"name": "lab/opus", "type": "model"}, "createdAt": "2023-01-01T00:00:00.000Z", "repoOwner": {"name": "lab"},
    }  # fmt: skip


def test_a_hub_model_is_fetched_once_and_then_needs_no_network(models, tmp_path, monkeypatch):
    with hub({"main": models["nllb"]}, monkeypatch, tmp_path):
        assert ask("huggingface", "lab/opus") == [said(text, "pt") for text in TEXTS]
        with pytest.raises(UserError, match="the hub shows no model lab/other; check the name"):
            ask("huggingface", "lab/other")
    assert ask("ctranslate2", "lab/opus") == [said(text, "pt") for text in TEXTS]
    assert hf.engine_id("pt-BR", Setup(model="lab/opus")).startswith("huggingface/lab/opus/")
    with pytest.raises(UserError, match="model lab/other is not here and no hub was reached; .* hf download lab/other --local-dir FOLDER"):
        hf.engine_id("pt-BR", Setup(model="lab/other"))


def test_a_hub_that_never_answers_is_given_up(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hf, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UserError, match="no hub was reached"):
            hf.engine_id("pt-BR", Setup(model="lab/opus"))


def test_the_hubs_own_conversion_is_taken_and_pickles_are_not_even_fetched(models, tmp_path, monkeypatch):
    old = tmp_path / "old"
    shutil.copytree(models["nllb"], old)
    (old / "model.safetensors").rename(old / "pytorch_model.bin")
    with hub({"main": old, "refs/pr/3": models["nllb"]}, monkeypatch, tmp_path / "cache") as asked:
        assert ask("huggingface", "lab/opus") == [said(text, "pt") for text in TEXTS]
    assert any(path.endswith("model.safetensors") for path in asked) and not any(path.endswith(".bin") for path in asked)
    assert ask("huggingface", "lab/opus", ["No."]) == ["No."]  # without the network
