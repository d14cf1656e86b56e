"""The other systems through the same door: every stage of every recipe trains, changes only what it tunes, stops and goes on."""

import dataclasses
import json

import pytest
import torch

from tests.test_training import fingerprint
from tests.training_runs import preference_rows
from utils.corpus.conversations import problems, read_rows
from utils.corpus.images import load_picture
from utils.corpus.scenes.instruct import PARTS
from utils.evaluation.generate import answer_all
from utils.evaluation.reading import answer_language
from utils.journey.systems import stage_data
from utils.models.load import load_folder, load_start, open_model
from utils.models.prompts import IGNORE, encode_prefix, encode_turns, image_id
from utils.models.small import small_blip2, small_next
from utils.models.tiling import picture_inputs, picture_tokens
from utils.runs import UserError
from utils.scales import TINY
from utils.training import stages
from utils.training.adapter import adapt, free_loose, loose_parameters, merged, merged_from
from utils.training.data import PackCollator, packs_of
from utils.training.features import cache_features, joined, picture_of, prefixes
from utils.training.loop import Plan, fit
from utils.training.objective import language_loss, loss_of
from utils.training.packing import Pack
from utils.training.querying import QueryCollator, answers_of, queried_loss
from utils.training.recipes import Stage, Tune, recipe
from utils.training.stages import Corpus, stage_folder, train_recipe, train_stage
from utils.training.systems import SYSTEMS
from utils.training.vocabulary import pieces_of, untrained_pieces

SMALL = dataclasses.replace(TINY, name="small", pictures=24, steps=2, batch=2, row_tokens=300, max_rank=4, rate=30.0)
OTHERS = [name for name in SYSTEMS if name != "llava-pt"]


@pytest.fixture()
def files(corpus, tmp_path):
    """A little of everything: questions, captions, and pairs for preferences."""
    rows = json.loads((corpus / PARTS[0]).read_text())[:6] + json.loads((corpus / PARTS[1]).read_text())[:6]
    for name, some in (("rows", rows), ("pairs", preference_rows(corpus, 6))):
        (tmp_path / f"{name}.json").write_text(json.dumps(some))
    return {name: Corpus((tmp_path / f"{name}.json",), (), corpus / "images") for name in ("rows", "pairs")}


@pytest.mark.parametrize("name", OTHERS)
def test_every_stage_trains_on_its_own_data_and_changes_only_what_it_tunes(name, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    chosen, before = recipe(name), None
    data = stage_data(chosen, SMALL, "pt-PT")
    assert list(data) == [stage.name for stage in chosen.stages]
    for stage in chosen.stages:
        files = [*data[stage.name].translated, *data[stage.name].english]
        assert [list(problems(read_rows(path))) for path in files] == [[]] * len(files)
        model, tokenizer = load_folder(before) if before else load_start(SMALL, name=chosen.shape)
        if stage.name == chosen.stages[0].name and not before:
            assert type(model).__name__ == stages.load.shape(chosen.shape).cls
        start = fingerprint(model)
        manifest = train_stage(SMALL, "pt-PT", chosen, stage, data[stage.name], before=before)
        before = stage_folder(SMALL, "pt-PT", chosen, stage) / "model"
        model, tokenizer = load_folder(before)
        end = fingerprint(model)
        assert {part for part in start if start[part] != end[part]} == set(stage.tune), stage.name
        assert manifest["complete"] and model.config.prompt == stage.prompt
    images = data[chosen.stages[-1].name].images
    picture = load_picture(next(images.rglob("*.png")))
    answers = answer_all(model, tokenizer, [picture] * 2, ["What is it?", "Is there a dog in the picture?"], max_new_tokens=3)
    assert len(answers) == 2 and all(isinstance(answer, str) for answer in answers)


def test_stages_have_data_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    ndino = stage_data(recipe("llava-ndino"), SMALL, "it")
    assert len({data.translated for data in ndino.values()}) == 4
    amalia = stage_data(recipe("amalia-vl"), SMALL, "pt-PT")
    captions = [row["conversations"][-1]["value"] for row in read_rows(amalia["align"].translated[0])]
    english = sum(answer_language(text, ("en", "pt-PT")) == "en" for text in captions)
    assert 0.3 < english / len(captions) < 0.8, "captions in both languages"
    assert all("rejected" in row for row in read_rows(amalia["prefer"].translated[0]))
    mblip = stage_data(recipe("mblip"), SMALL, "it")
    assert {row["type"] for row in read_rows(mblip["warmup"].translated[0])} == {"caption"}
    instruct = read_rows(mblip["instruct"].translated[0])
    assert "it" in {row.get("language") for row in instruct}
    told = [answer_language(row["conversations"][-1]["value"], ("en", "it")) for row in instruct if "language" not in row]
    assert 0.3 < told.count("en") / len(told) < 0.7, "LLaVA's conversations, half in English"
    assert all(len(row["conversations"]) == 2 for row in instruct), "one question a row"
    assert all((mblip["instruct"].images / row["image"]).is_file() for row in instruct)
    again = stage_data(recipe("mblip"), SMALL, "it")
    assert again == mblip
    with pytest.raises(UserError, match="is published, not made here; give train your own: --data FOLDER --images FOLDER"):
        stage_data(recipe("mblip"), dataclasses.replace(SMALL, weights="some/hub-id"), "it")
    with pytest.raises(UserError, match="no data of its own here"):
        stage_data(dataclasses.replace(recipe("mblip"), name="other"), SMALL, "it")


def test_a_later_stage_alone_starts_from_the_stage_before_that_was_trained(files):
    chosen = recipe("mblip")
    chosen = dataclasses.replace(chosen, stages=tuple(dataclasses.replace(s, replay=0.0) for s in chosen.stages))
    both = train_recipe(SMALL, "pt-BR", chosen, files["rows"])
    assert [manifest["stage"] for manifest in both] == ["warmup", "instruct"]
    alone = train_recipe(SMALL, "pt-BR", chosen, files["rows"], names=("instruct",))
    assert alone == both[1:], "the same start, so it skips itself"
    with pytest.raises(ValueError, match="recipe mblip has no stage 'x'; it has: warmup, instruct"):
        train_recipe(SMALL, "pt-BR", chosen, files["rows"], names=("x",))


@pytest.mark.parametrize("chain", [("align", "adapt", "short"), ("align", "short", "long")], ids="-".join)
def test_the_first_stage_in_a_new_language_aligns_its_words_and_a_later_one_leaves_them(chain, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    chosen = recipe("llava-ndino").only(*chain)
    aligned = [found["aligned_pieces"] for found in train_recipe(SMALL, "it", chosen, stage_data(chosen, SMALL, "it"))]
    left = [set(untrained_pieces(stage_folder(SMALL, "it", chosen, stage) / "model")) for stage in chosen.stages]
    assert aligned[0] == 0 and left[0] == set(untrained_pieces(stages.load.SHIPPED)), "the projector alone trains no words"
    assert aligned[1] > 50 and left[2] < left[1] < left[0]
    assert aligned[2] <= len(left[1]), "only what the stage before never trained"
    _, tokenizer = load_folder(stage_folder(SMALL, "it", chosen, chosen.stages[1]) / "model")
    words = pieces_of(tokenizer, stage_data(chosen, SMALL, "it")[chain[1]].translated)
    assert not words & left[1], "what a stage read is trained"


def tall(corpus, tmp_path):
    """Pictures of three shapes: each asks for other tiles."""
    source = load_picture(next((corpus / "images").glob("*.png")))
    for name, size in (("square.png", (96, 96)), ("tall.png", (60, 200)), ("wide.png", (300, 80))):
        source.resize(size).save(tmp_path / name)
    return ["square.png", "tall.png", "wide.png"]


@pytest.mark.parametrize("tower,cls", [("clip", "LlavaNextForConditionalGeneration"), ("siglip", "LlavaNextForConditionalGeneration"),
                                       ("siglip", "LlavaOnevisionForConditionalGeneration")], ids=["CLIP", "SigLIP", "OneVision"])  # fmt: skip
@pytest.mark.parametrize("cached", [False, True], ids=["pixels", "cached"])
def test_tiled_pictures_in_one_row_equal_the_classs_own_loss(tower, cls, cached, tokenizer, corpus, tmp_path):
    model = small_next(tokenizer, tower, cls=cls).eval()
    names = tall(corpus, tmp_path)
    prefix_of = prefixes(tokenizer, model.config, tmp_path)
    assert len({len(prefix_of(name)) for name in names}) == 3
    features = cache_features(model, names, tmp_path)
    texts = [[("What is it?", "A dog.")], [("Where?", "On the left."), ("Really?", "Yes.")], [("How many?", "Three.")]]
    packs = [Pack(name, (encode_turns(tokenizer, turns),), prefix_of(name)) for name, turns in zip(names, texts, strict=True)]
    pictures = [features[n] if cached else picture_of(model.config, tmp_path, n) for n in names]
    loss = language_loss(model, PackCollator((), image_id(tokenizer))([{"packs": packs, "pictures": pictures}]))
    total, count = 0.0, 0
    for pack in packs:
        ids, labels = pack.branches[0]
        shown = picture_inputs(model.config, load_picture(tmp_path / pack.picture))
        row, told = torch.tensor([[*pack.prefix, *ids]]), torch.tensor([[IGNORE] * len(pack.prefix) + labels])
        learnt = sum(label != IGNORE for label in labels)
        total += model(input_ids=row, attention_mask=torch.ones_like(row), labels=told, use_cache=False, **shown).loss.item() * learnt
        count += learnt
    assert loss.item() == pytest.approx(total / count, abs=1e-5)


@pytest.mark.parametrize("language", ["mt5", "bloom", "opt"])
def test_queried_rows_equal_the_classs_own_loss(language, tokenizer, corpus):
    model = small_blip2(tokenizer, language).eval()
    prefix = encode_prefix(tokenizer, picture_tokens(model.config, (1, 1)))
    names = sorted(path.name for path in (corpus / "images").glob("*.png"))[:2]
    turns = [[("What is it?", "A dog."), ("Where is it?", "On the left, at the top.")], [("How many cats?", "Three.")]]
    packs = [Pack(name, (encode_turns(tokenizer, told),)) for name, told in zip(names, turns, strict=True)]
    start = tokenizer.pad_token_id if language == "mt5" else None
    pictures = [picture_of(model.config, corpus / "images", name) for name in names]
    batch = QueryCollator(tuple(prefix), tokenizer.pad_token_id, start)([{"packs": packs, "pictures": pictures}])
    assert loss_of(model, "lm") is queried_loss
    total, count = 0.0, 0
    for pack, picture in zip(packs, pictures, strict=True):
        ids, labels = pack.branches[0]
        rows = answers_of(ids, labels) if language == "mt5" else [(ids, labels)]
        for read, told in rows:
            row = torch.tensor([[*prefix, *read]])
            labels_ = torch.tensor([told if language == "mt5" else [IGNORE] * len(prefix) + told])
            learnt = sum(label != IGNORE for label in told)
            out = model(input_ids=row, attention_mask=torch.ones_like(row), labels=labels_, pixel_values=picture["pixels"])
            total, count = total + out.loss.item() * learnt, count + learnt
    assert queried_loss(model, batch).item() == pytest.approx(total / count, abs=1e-4)
    assert len(batch["targets"]) == count == sum(label != IGNORE for pack in packs for label in pack.branches[0][1])
    with pytest.raises(ValueError, match="no token of this batch carries loss"):
        queried_loss(model, batch | {"asked": torch.tensor([])})


class Rows(list):
    order = None  # as given


def test_queries_learn_beside_an_adapter_are_saved_with_it_and_come_back(tokenizer, corpus, tmp_path):
    stage = Stage("x", "rows", {"resampler": Tune("full", 1e-2), "projector": Tune("full", 1e-2), "llm": Tune("lora", 1e-2, 4, 8)})
    rows = json.loads((corpus / PARTS[0]).read_text())[:4]
    prefix = tuple(encode_prefix(tokenizer, 8))

    def trained(steps: int, folder):
        model = small_blip2(tokenizer, seed=3)
        torch.manual_seed(0)
        packs = packs_of(rows, tokenizer, len(prefix), 1024)
        data = Rows({"packs": [pack], "pictures": [picture_of(model.config, corpus / "images", pack.picture)]} for pack in (packs * 8)[:8])
        collate = QueryCollator(prefix, tokenizer.pad_token_id, tokenizer.pad_token_id)
        plan = Plan(steps=4, batch=2, seed=0, max_rank=4, save_every=1, log_every=1)
        if steps < 4:  # stopped: the last rows cannot be read
            data[6:] = [None] * 2
        model = adapt(model, stage, 4)
        try:
            fit(model, data, collate, stage, plan, folder, "x")
        except TypeError:
            assert steps < 4
        return model

    whole = trained(4, tmp_path / "whole")
    assert list(loose_parameters(whole)) == ["base_model.model.query_tokens"]
    trained(2, tmp_path / "cut")
    assert (tmp_path / "cut" / "checkpoints" / "checkpoint-2" / "beside_adapter.safetensors").exists()
    again = trained(4, tmp_path / "cut")
    last = tmp_path / "whole" / "checkpoints" / "checkpoint-4"
    read = merged_from(small_blip2(tokenizer, seed=3), last)
    assert fingerprint(merged(whole)) == fingerprint(merged(again)) == fingerprint(read)
    assert not torch.equal(read.query_tokens, small_blip2(tokenizer, seed=3).query_tokens)


def test_an_untied_output_matrix_learns_with_the_embeddings(tokenizer):
    model, _ = open_model("llava-hf/llama3-llava-next-8b-hf", "tiny")
    model.config.text_config.tie_word_embeddings = model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    stage = Stage("x", "rows", {"llm": Tune("lora", 1e-3, 4, 8), "embeddings": Tune("full", 1e-3), "projector": Tune("full", 1e-3)})
    adapted = adapt(model, stage, 4)
    learns = {name for name, p in adapted.named_parameters() if p.requires_grad and "lora_" not in name}
    assert any("lm_head.modules_to_save" in name for name in learns) and any("embed_tokens.modules_to_save" in name for name in learns)
    assert any(name.endswith("image_newline") for name in learns), "the line end's vector belongs to the projector"
    free_loose(adapted, stage)
    assert learns == {name for name, p in adapted.named_parameters() if p.requires_grad and "lora_" not in name}


def test_a_stage_of_captions_needs_captions(tokenizer, files, corpus):
    rows = json.loads((corpus / PARTS[0]).read_text())[:3]
    assert all(len(row["conversations"]) > 2 for row in rows)
    with pytest.raises(UserError, match="the prompt plain takes captions, rows of one turn, and there is none among 3 rows"):
        packs_of(rows, tokenizer, 40, 1024, stages.PROMPTS["plain"])
    with pytest.raises(UserError, match="stage prefer learns from pairs, and none of 12 rows has a worse answer under 'rejected'; give it files"):
        train_stage(SMALL, "pt-BR", recipe("amalia-vl"), recipe("amalia-vl").stage("prefer"), files["rows"])
    with pytest.raises(UserError, match="no rows in"):
        train_stage(SMALL, "pt-BR", recipe("mblip"), recipe("mblip").stages[0], Corpus((), (), corpus / "images"))


def test_blank_views_stand_behind_the_pictures_with_fewer_tiles():
    views = [{"pixels": torch.ones(n, 3, 4, 4), "image_sizes": torch.tensor([[4, 4 * n]])} for n in (1, 3)]
    batch = joined(views)
    assert batch["pixel_values"].shape == (4, 3, 4, 4) and batch["views"].tolist() == [1, 3] and batch["image_sizes"].tolist() == [[4, 4], [4, 12]]
