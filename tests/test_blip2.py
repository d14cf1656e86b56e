"""mBLIP's start: the tower mapped from CLIP's, words for queries, told pictures, the shipped files, and the connector comparison."""

import dataclasses
from collections import Counter

import pytest
import torch

from utils import runs
from utils.corpus.multilingual.mix import LANGUAGES, MT5
from utils.corpus.scenes.world import Item, Scene, scene_of
from utils.evaluation.scenes_task import ask_all, questions
from utils.journey import connector
from utils.models import blip2_start, load
from utils.models.blip2_start import blip2_from_llava
from utils.models.load import load_folder, load_start
from utils.models.small import QUERIES, small_blip2
from utils.models.tiny import IMAGE_TOKENS
from utils.runs import UserError
from utils.scales import A100, TINY
from utils.training import blip2_base
from utils.training.adapter import adapt, merged
from utils.training.querying import queried_loss, query_embeddings
from utils.training.recipes import recipe
from utils.training.small_rates import at_size

NEEDS_FILES = pytest.mark.skipif(not (blip2_start.SHIPPED / "mt5.safetensors").exists(), reason="data/blip2 is not there")


@pytest.fixture(scope="module")
def base():
    return load_folder(load.SHIPPED)


def spell(tokenizer, row: torch.Tensor) -> set[str]:
    return {tokenizer.decode([int(i)]).strip() for i in row.nonzero()[:, 0]}


def test_a_tower_of_blip2_computes_what_clips_layers_do(base):
    llava, tokenizer = base
    blip = blip2_from_llava(llava, tokenizer)
    hidden = torch.randn(2, 37, 128, generator=torch.manual_seed(0))
    for ours, theirs in zip(blip.vision_model.encoder.layers, llava.model.vision_tower.encoder.layers, strict=True):
        first, second = (found[0] if isinstance(found, tuple) else found for found in (ours(hidden), theirs(hidden, attention_mask=None)))
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)
    assert torch.equal(blip.language_model.lm_head.weight, llava.lm_head.weight)
    assert blip.config.num_query_tokens == QUERIES == IMAGE_TOKENS // 3


def test_queries_are_told_what_stands_where(base):
    _, tokenizer = base
    scene = Scene("blue", (Item("dog", 0, "red"), Item("apple", 3, None)), 0)
    words = blip2_base.query_words(scene, tokenizer)
    assert torch.allclose(words.sum(-1), torch.ones(QUERIES))
    assert spell(tokenizer, words[0]) == {"dog", "dogs", "top", "left"}
    assert spell(tokenizer, words[1]) == {"red", "dog", "top", "left"}
    assert spell(tokenizer, words[2]) == {"blue", "top", "left"}
    assert spell(tokenizer, words[3]) == {"blue", "top", "right"}  # nothing stands there
    assert spell(tokenizer, words[10]) == {"apple", "apples", "bottom", "right"}  # no card: the thing again


def test_told_pictures_speak_by_the_shares_of_mt5_and_only_of_training_pictures():
    found: Counter = Counter()
    for index in range(1, 400, 2):
        _, turns = blip2_base.told(index, seed=3)
        found.update(question.rpartition("\n")[2] for question, _ in turns)
    named = sum(found.values())
    assert found["Answer in English."] > found["Answer in Spanish."] > 0
    wanted = MT5["es"] / sum(MT5[code] for code in LANGUAGES)
    assert 0.4 * wanted < found["Answer in Spanish."] / named < 1.2 * wanted  # a part of the Spanish questions wants English
    assert blip2_base.told(7, 3) == blip2_base.told(7, 3) != blip2_base.told(7, 4)


def test_batches_of_told_pictures_hold_rows_of_like_length_and_none_too_long(base):
    _, tokenizer = base
    data = blip2_base.ToldPictures(tokenizer, 6, 1)
    cuts = [[len(row["packs"][0].branches[0][0]) for row in data[n]] for n in range(blip2_base.CUTS)]
    assert max(map(max, cuts)) <= blip2_base.LONGEST
    spans = sorted((min(cut), max(cut)) for cut in cuts)
    assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:], strict=False))
    again = blip2_base.ToldPictures(tokenizer, 6, 1)[4]
    assert [row["packs"] for row in again] == [row["packs"] for row in data[4]]


def test_a_language_model_is_shown_words_as_their_embeddings(base):
    _, tokenizer = base
    model = small_blip2(tokenizer, "bloom")
    words = torch.zeros(1, QUERIES, len(tokenizer))
    words[0, :, 40], words[0, :, 41] = 0.25, 0.75
    table = model.get_input_embeddings().weight
    torch.testing.assert_close(query_embeddings(model, {"words": words})[0, 5], 0.25 * table[40] + 0.75 * table[41])


TINY_PLANS = {name: dataclasses.replace(plan, steps=2, save_every=1, batch=min(plan.batch, 2)) for name, plan in blip2_base.PLANS.items()}


def test_the_start_is_built_from_nothing_and_a_second_call_does_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    folder = blip2_base.build_blip2(tmp_path / "blip2", TINY_PLANS)
    files = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    assert set(files) == {"eyes.safetensors", "mt5.safetensors", "bloom.safetensors"}
    monkeypatch.setattr(blip2_base, "build_eyes", lambda *_: pytest.fail("trained again"))
    blip2_base.build_blip2(tmp_path / "blip2", TINY_PLANS)
    opened, _ = load_folder(blip2_base.write_english(folder, tmp_path / "english"))
    assert opened.config.prompt == "vicuna_v1" and type(opened).__name__ == "Blip2ForConditionalGeneration"
    (folder / "mt5.safetensors").unlink()
    _, tokenizer = load_folder(load.SHIPPED)
    with pytest.raises(UserError, match="mt5.safetensors is missing; .*base --blip2 --install"):
        blip2_start.blip2_start("mt5", tokenizer, folder=folder)


@NEEDS_FILES
def test_the_shipped_eyes_see_held_out_pictures_and_speak_english(base):
    llava, tokenizer = base
    model = blip2_start.english_blip2(llava, tokenizer).eval()
    asks = questions("pairs", 12, ("naming", "background", "total"))
    assert sum(answer.right for answer in ask_all(model, tokenizer, asks, "en")) > 30
    elsewhere = [scene_of("pairs", 500 + index, 5) for index in range(len(asks))]
    assert sum(answer.right for answer in ask_all(model, tokenizer, asks, "en", shown=elsewhere)) < 20  # it looks


@NEEDS_FILES
@pytest.mark.parametrize("name", ["Gregor/mblip-mt0-xl", "Gregor/mblip-bloomz-7b"])
def test_both_shapes_start_with_eyes_and_a_language_model_that_never_met(name, base):
    llava, tokenizer = base
    model, _ = load_start(TINY, name=name)
    english = blip2_start.english_blip2(llava, tokenizer)
    assert torch.equal(
        model.qformer.encoder.layer[0].attention.attention.query.weight, english.qformer.encoder.layer[0].attention.attention.query.weight
    )
    assert torch.equal(model.query_tokens, english.query_tokens)
    assert model.language_projection.weight.shape != english.language_projection.weight.shape
    data = blip2_base.ToldPictures(tokenizer, 3, 77)
    collate = blip2_base.queries_collator(model, tokenizer, blip2_base.MBLIP)
    untrained = small_blip2(tokenizer, model.config.text_config.model_type)
    losses = [queried_loss(one, collate(data[1])).item() for one in (model, untrained)]
    assert losses[0] < 0.5 < losses[1]  # it has learnt to read pictures that are told


def test_rates_of_the_tiny_scale_are_a_stages_own_and_those_of_full_size_stay():
    chosen = recipe("mblip")
    warmup, instruct = chosen.stages
    assert at_size(TINY, chosen, warmup).tune["projector"].lr * TINY.rate == pytest.approx(5e-3)
    sized = at_size(TINY, dataclasses.replace(chosen, name="systems/mblip"), instruct)
    assert sized.tune["llm"] == instruct.tune["llm"] and sized.tune["projector"].lr > instruct.tune["projector"].lr
    assert dataclasses.replace(sized, tune=instruct.tune) == instruct
    assert at_size(A100, chosen, warmup) == warmup and A100.rate == 1.0
    assert at_size(TINY, recipe("llava-pt"), recipe("llava-pt").stages[0]) == recipe("llava-pt").stages[0]


@NEEDS_FILES
def test_an_adapter_beside_a_q_former_trains_input_and_output_words_as_one_matrix(base, tmp_path):
    llava, tokenizer = base
    stage = connector.QFORMER.stages[0]
    model = adapt(blip2_start.english_blip2(llava, tokenizer), stage, 4)
    language = model.get_base_model().language_model
    trained = language.model.embed_tokens.modules_to_save["default"].weight
    assert language.lm_head.modules_to_save["default"].weight is trained
    with torch.no_grad():
        trained += 1
    whole = merged(model)
    whole.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    opened, _ = load_folder(tmp_path)
    assert torch.equal(opened.get_output_embeddings().weight, trained) and torch.equal(opened.get_input_embeddings().weight, trained)


@NEEDS_FILES
def test_the_two_connectors_are_compared_on_equal_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    small = dataclasses.replace(TINY, name="tiny-test", pictures=30, steps=8, questions=4)
    rows = {row["connector"]: row for row in connector.connector_table(small, "it")}
    assert {name: row["picture_tokens"] for name, row in rows.items()} == {"MLP": 36, "Q-Former": 12}
    manifests = [runs.read_json(path) for path in tmp_path.rglob("instruct/manifest.json")]
    assert len(manifests) == 2 and {one["steps"] for one in manifests} == {4} and len({one["packs"] for one in manifests}) == 1
    assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 and row["trained"] > 0 for row in rows.values())
