"""The engines huggingface and ctranslate2 on the real classes of each family, small and with random weights."""

import json
import os
import shutil
import signal
import socket

import pytest
from small_models import CODES, FAMILIES, TEXTS, build, hub, said, shell

from utils.runs import UserError, outputs
from utils.translation.engines import ctranslate2 as ct2
from utils.translation.engines import huggingface as hf
from utils.translation.engines.setup import Setup

ENGINES = {"huggingface": hf, "ctranslate2": ct2}


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
