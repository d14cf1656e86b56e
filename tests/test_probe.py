"""The probe of VL-T5 against LLaVA: what each stage learns from, finished and killed runs, and the table's numbers on answers made by hand."""

import random

import pytest
import torch

from utils import runs
from utils.corpus.scenes.asks import CONVERSATION, Ask, possible, truth
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import THESIS_PICTURES, Item, Scene, scene_of, single
from utils.evaluation import probe
from utils.evaluation.intervals import wilson
from utils.evaluation.scoring import judge
from utils.models.regions import RegionFeatures, find_regions, shortened
from utils.models.vl_t5 import PREFIXES, vl_t5_batch
from utils.models.vl_t5_weights import open_vl_t5
from utils.training import vl_t5 as training
from utils.training.fusions import questions_of
from utils.training.vl_t5_rows import Amount, pretraining_rows, same_for_llava, short_answer, tuning_rows

SMALL = Amount(pictures=4, batch=2, rows=4, steps=(3, 2))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vl_t5")
    return folder, training.train_vl_t5("pt-BR", 0, folder, SMALL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_short_answers_are_right_and_short(language):
    for index in range(25):
        scene, rng = scene_of("train", index), random.Random(index)
        for kind_of_question in CONVERSATION:
            for ask in possible(scene, kind_of_question, rng):
                said = short_answer(ask, language)
                assert len(said.split()) <= 5  # "sol con gafas de sol" is the longest name
                if kind_of_question == "listing":  # one thing is named: the whole truth only where there is one
                    assert judge(said, "listing", truth(ask), language).right == (list(scene.counts.values()) == [1])
                else:
                    assert judge(said, kind_of_question, truth(ask), language).right


def all_rows(language, english, count=40):
    amount = Amount(rows=16, english=(english, 0))
    scenes = [scene_of("train", index) for index in range(count)]
    return [
        (scene, row) for n, scene in enumerate(scenes) for row in pretraining_rows(scene, scenes[n - 1], random.Random(n), language, amount)
    ]  # fmt: skip


def test_pretraining_has_every_released_task_and_no_whole_caption():
    rows = all_rows("pt-BR", 0.0)
    used = {text.split(":")[0] for _, (text, _) in rows}
    assert used == {"vqa", "caption region", "visual grounding", "image text match", "span prediction"} < PREFIXES.keys()
    assert max(len(target.split()) for _, (_, target) in rows) <= 6 and "caption:" not in {text for _, (text, _) in rows}
    matched = [target for _, (text, target) in rows if text.startswith("image text match")]
    assert set(matched) == {"true", "false"} and 0.3 < matched.count("true") / len(matched) < 0.7
    told = {text for _, (text, _) in rows if text.startswith("vqa")}
    assert "vqa: Qual é a cor do fundo?" in told and "vqa: What is the color of the background?" not in told
    assert "vqa: Qual é a cor do fundo?" not in {text for _, (text, _) in all_rows("pt-BR", 1.0)}


def test_a_region_task_speaks_of_the_region_at_its_own_place(base):
    """The n-th region is the n-th thing: what `caption region` names and `visual grounding` points at stands in that box."""
    pointed = 0
    for scene, (text, target) in all_rows("en", 1.0, 20):
        asks, points = text.startswith("caption region"), text.startswith("visual grounding")
        if asks or points:
            name, words = (text.split(": ")[1], target) if asks else (target, text.split(": ")[1])
            region = int(name.removeprefix("<vis_extra_id_").removesuffix(">"))
            item = scene.items[region - 1]
            assert item.kind in words and (item.card or "") in words
            [found] = find_regions([render(scene)], base[0])
            x1, y1, x2, y2 = found.boxes[region]
            assert ((x1 + x2) / 2 > 0.5, (y1 + y2) / 2 > 0.5) == (item.cell % 2 == 1, item.cell >= 2)
            pointed += points
    assert pointed > 5


@pytest.mark.parametrize("english", [0.0, 0.5, 1.0])
def test_tuning_sees_the_questions_that_the_llava_sees(english):
    """Row by row, word for word, what train_fusion's stream gives a picture at the same place; then the whole caption."""
    from utils.models.fusions.parts import PROMPT, base_tokenizer
    from utils.models.prompts import encode_turns
    from utils.training.fusions import Rows as FusionRows

    amount = Amount(pictures=6, batch=2, rows=5, steps=(1, 6), english=(0, english))
    budget = same_for_llava(amount)
    assert budget.steps == 6 and budget.pictures == 6
    data, tokenizer = training.Rows("tune", "pt-BR", amount, 3), base_tokenizer()
    module = type("Module", (), {"SLOTS": 0})
    fusion, more = FusionRows(None, module, tokenizer, list(range(6)), data.scenes, "pt-BR", budget, 3), 0
    assert len(fusion) == len(data) == 12
    for at in range(12):
        *asked, caption = data[at]
        only = fusion[at][0]
        assert only["rows"][1] == [encode_turns(tokenizer, [(text, target)], PROMPT) for text, target, _ in asked]
        scene = data.scenes[only["features"]]
        assert [(text, target) for text, target, _ in asked[:5]] == questions_of(scene, random.Random(f"fusion/3/{at}"), "pt-BR", budget)
        assert caption[:2] == ("caption:", say(Ask("description", scene), "pt-BR")[1]) and len(asked) in (5, 10)
        more += len(asked) == 10
    assert more == {0.0: 0, 1.0: 12}.get(english, more) and (0 < more < 12 or english in (0, 1))
    both = tuning_rows(scene, random.Random(0), "pt-BR", amount, also_english=True)
    assert len(both) == 11 and "The" not in both[0][1].split() and both[5][0].startswith(("What", "How", "Is", "Do", "Where", "Can", "Desc"))


def test_both_stages_leave_a_manifest_and_skip_themselves(trained, monkeypatch):
    folder, manifests = trained
    assert [(stage, m["stage"], m["steps"], m["language"]) for stage, m in manifests.items()] == [
        ("pretrain", "pretrain", 3, "pt-BR"), ("tune", "tune", 2, "pt-BR")
    ]  # fmt: skip
    assert all(m["complete"] and m["history"] and m["cpu_seconds"] > 0 for m in manifests.values())
    assert not list(folder.glob("*/checkpoints"))
    monkeypatch.setattr(training, "train_stage", lambda *_: pytest.fail("trained again"))
    assert training.train_vl_t5("pt-BR", 0, folder, SMALL) == manifests
    other_tuning = Amount(**{**vars(SMALL), "steps": (3, 4)})
    with pytest.raises(pytest.fail.Exception):  # other inputs are another run
        training.train_vl_t5("pt-BR", 0, folder, other_tuning)
    assert runs.complete(folder / "pretrain", manifests["pretrain"]["inputs"])  # but the first stage does not depend on the second


def test_the_second_stage_goes_on_from_the_first(trained):
    folder, _ = trained
    (first, tokenizer), (second, _) = (open_vl_t5(folder / stage) for stage in training.STAGES)
    fresh = training.start(tokenizer, 0, "pt-BR", training.seen_pictures(4))
    moved = lambda a, b: (a.shared.weight - b.shared.weight).abs().mean().item()  # noqa: E731
    assert 0 < moved(first, second) < 0.05 and 0 < moved(fresh, first) < 0.05
    with pytest.raises(runs.UserError, match="holds no small VL-T5.*train_vl_t5"):
        open_vl_t5(folder / "nowhere")


def test_a_killed_run_goes_on_and_ends_the_same(trained, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    steps, forward = [], training.VLT5Trainer.compute_loss

    def dying(self, *arguments, **named):
        steps.append(self.state.global_step)
        if len(steps) == 3:
            raise Killed
        return forward(self, *arguments, **named)

    monkeypatch.setattr(training.VLT5Trainer, "compute_loss", dying)
    with pytest.raises(Killed):
        training.train_vl_t5("pt-BR", 0, tmp_path, SMALL)
    assert steps == [0, 1, 2] and not runs.complete(tmp_path / "pretrain", trained[1]["pretrain"]["inputs"])
    training.train_vl_t5("pt-BR", 0, tmp_path, SMALL)
    assert steps[3:] == [2, 0, 1]  # the third step again, then the second stage
    for stage in training.STAGES:
        whole, again = (open_vl_t5(folder / stage)[0].state_dict() for folder in (trained[0], tmp_path))
        assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_words_and_regions_start_at_what_the_base_knows(base):
    from utils.models.vl_t5 import visual_tokenizer

    tokenizer = visual_tokenizer(base[1])
    scenes, seen = training.seen_pictures(60)
    model = training.start(tokenizer, 0, "pt-BR", (scenes, seen))
    words = base[0].get_input_embeddings().weight.float()
    assert torch.allclose(model.shared.weight[tokenizer(" dog").input_ids], (words / words.std())[tokenizer(" dog").input_ids])
    with torch.no_grad():
        visual = model.encoder.visual_embedding.feat_embedding(torch.stack([torch.as_tensor(r.features) for r in seen]))
    near = lambda word, vector: torch.cosine_similarity(model.shared.weight[tokenizer(" " + word).input_ids].mean(dim=0), vector, dim=0)  # noqa: E731
    right = [near(scene.items[0].kind, visual[n, 1]) > near(scenes[n - 1].items[0].kind, visual[n, 1]) + 0.1 for n, scene in enumerate(scenes)]
    assert sum(right) > 50


def test_places_that_no_picture_fills_are_left_out_and_change_nothing(trained, base):
    model, tokenizer = open_vl_t5(trained[0] / "tune")
    scenes = [single("dog"), Scene("red", (Item("cat", 0), Item("car", 3, "blue")), 1)]
    found = find_regions([render(scene) for scene in scenes], base[0])
    batch = vl_t5_batch(tokenizer, ["vqa: Why?", "caption:"], found)
    assert batch["vis_feats"].shape[1] == 3 and batch["vis_attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    whole = {"vis_feats": "features", "boxes": "boxes", "vis_attention_mask": "real"}
    padded = batch | {key: torch.stack([torch.as_tensor(getattr(one, name)) for one in found]) for key, name in whole.items()}
    assert padded["boxes"].shape[1] == 36
    with torch.no_grad():
        one, two = (model(**b, labels=torch.tensor([[7, 8], [9, 5]])).logits for b in (batch, padded))
    assert torch.allclose(one, two, atol=1e-4)
    short = vl_t5_batch(tokenizer, ["vqa: Why?", "caption:"], [shortened(one) for one in found])
    assert all(torch.equal(short[key], batch[key]) for key in batch)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_wording_of_a_description_gets_the_caption_prefix_and_no_other_question_does(language):
    for wording in range(3):
        assert probe.with_prefix(say(Ask("description", single("dog"), wording), language)[0]) == "caption:"
    for prompt in probe.thesis_prompts(language):
        assert probe.with_prefix(prompt.question) == ("caption:" if prompt.type == "description" else f"vqa: {prompt.question}")


def test_the_thesis_pictures_have_two_prompts_and_another_picture_each():
    prompts = probe.thesis_prompts("pt-BR")
    assert len(prompts) == 18 and {p.scene.items[0].kind for p in prompts} == set(THESIS_PICTURES)
    assert all(p.other.counts != p.scene.counts for p in prompts)
    assert judge("Um cachorro.", prompts[-1].type, prompts[-1].truth, "pt-BR").right  # the last picture is the dog


def test_held_out_prompts_have_a_picture_with_another_truth():
    prompts = probe.held_out_prompts("en", 4, ("background", "total"))
    assert [p.type for p in prompts] == ["background"] * 4 + ["total"] * 4
    for p in prompts:
        assert p.truth == truth(Ask(p.type, p.scene)) != truth(Ask(p.type, p.other))


def blind(pictures, asked):
    return ["It is a dog."] * len(asked)


def sighted(pictures, asked):
    """Tells the first pixel: the background is all it sees."""
    return ["The background is " + ("white." if picture.getpixel((0, 0)) == (250, 250, 250) else "red.") for picture in pictures]


def test_the_table_counts_answers_made_by_hand():
    dog, red = single("dog"), single("dog", background="red")
    question = "What is the color of the background?"
    prompts = [probe.Prompt("background", scene, "en", question, truth(Ask("background", scene)), other)
               for scene, other in ((dog, red), (red, dog), (dog, None), (single("cat", background="blue"), dog))]  # fmt: skip
    told = Ask("description", dog)
    prompts.append(probe.Prompt("description", dog, "en", "Describe the image.", truth(told), red))
    said = ["white", "The background is red.", "O fundo é branco.", "", "The background is white and there is one thing."]
    row = probe.probe_row("x", prompts, said, ["white", "It is white.", "red", "", "Red."], tokens=len)
    assert (row["answers"], row["right"], row["right_of"]) == (5, 2 / 5, 5)  # the Portuguese answer is right in no English reading
    assert (row["right_low"], row["right_high"]) == wilson(2, 5)
    assert row["languages"] == {"en": 3, "undecided": 2} and row["in_language"] == 3 / 5
    assert row["words"] == (1 + 4 + 4 + 0 + 9) / 5 and row["tokens"] == sum(map(len, said)) / 5
    assert row["facts"] == pytest.approx(2 / 3)  # background and number of three facts
    assert (row["moved"], row["moved_of"]) == (2 / 4, 4)  # the third has no other picture
    assert (row["moved_right"], row["moved_right_of"], row["moved_right_low"]) == (1 / 2, 2, wilson(1, 2)[0])


def test_a_model_that_looks_moves_and_a_blind_one_does_not():
    scenes = [single("dog", background=colour) for colour in ("white", "red")]
    prompts = [probe.Prompt("background", a, "en", "What is the background color?", truth(Ask("background", a)), b)
               for a, b in (scenes, scenes[::-1])]  # fmt: skip
    seeing, unseeing = probe.probe_rows({"sees": sighted, "blind": blind}, prompts)
    assert (seeing["model"], seeing["right"], seeing["moved"]) == ("sees", 1.0, 1.0)
    assert (unseeing["model"], unseeing["right"], unseeing["moved"]) == ("blind", 0.0, 0.0)


def test_zeroed_regions_fail_the_swap(trained, monkeypatch):
    """The three ways through the real model: whatever it says, another picture changes the scores; without regions it cannot."""
    import utils.models.regions as regions

    prompts = probe.thesis_prompts("pt-BR")[:4]
    ways = probe.vl_t5_ways(trained[0])
    assert tuple(ways) == probe.WAYS
    model, tokenizer = open_vl_t5(trained[0] / "pretrain")
    truly = regions.find_regions
    pictures = [render(scene) for p in prompts for scene in (p.scene, p.other)]

    def zeroed(shown, llava):
        return [RegionFeatures(one.features * 0, one.boxes * 0 + 0.5, one.ids) for one in truly(shown, llava)]

    def first_logits(find):
        seen = [shortened(one) for one in find(pictures, training.load_folder(training.SHIPPED)[0])]
        batch = vl_t5_batch(tokenizer, ["vqa: O que é isso?"] * len(seen), seen)
        with torch.no_grad():
            return model(**batch, decoder_input_ids=torch.zeros(len(seen), 1, dtype=torch.long)).logits

    assert (first_logits(truly)[0] - first_logits(truly)[1]).abs().max() > 1e-3
    assert (first_logits(zeroed)[0] - first_logits(zeroed)[1]).abs().max() < 1e-5
    monkeypatch.setattr(regions, "find_regions", zeroed)
    assert all(row["moved"] == 0 for row in probe.probe_rows(ways, prompts))


def row_of(name, hits, words, facts=None):
    low, high = wilson(hits, 40)
    return {"model": name, "right": hits / 40, "right_low": low, "right_high": high, "words": words, "facts": facts}


def test_the_gap_is_the_sum_of_its_steps():
    rows = [row_of("raw", 2, 1.0), row_of("prefix", 22, 1.5), row_of("tuned", 30, 9.0, 0.5), row_of("llava", 34, 9.5, 0.75)]
    *steps, whole = probe.gap(rows)
    assert [step["change"] for step in steps] == list(probe.CHANGES) and (whole["from"], whole["to"]) == ("raw", "llava")
    assert [round(step["right"], 3) for step in (*steps, whole)] == [0.5, 0.2, 0.1, 0.8]
    assert [round(step["share"], 3) for step in (*steps, whole)] == [0.625, 0.25, 0.125, 1.0]
    assert [step["words"] for step in (*steps, whole)] == [0.5, 7.5, 0.5, 8.5]
    assert [step["facts"] for step in (*steps, whole)] == [None, None, 0.25, None]
    # Newcombe 1998, table II, example (a): 56/70 - 48/80 is 0.2 with (0.0524, 0.3339).
    a, b = wilson(48, 80), wilson(56, 70)
    made = [
        {"model": "", "right": hits, "right_low": low, "right_high": high, "words": 0, "facts": None} for hits, (low, high) in ((0.6, a), (0.8, b))
    ]
    newcombe = probe.gap(made, ("all of it",))[0]
    assert (newcombe["low"], newcombe["high"]) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_equal_rows_have_no_gap_to_share():
    rows = [row_of("a", 5, 1.0), row_of("b", 5, 1.0)]
    assert probe.gap(rows, ("nothing",))[0]["share"] is None


def test_the_small_llava_is_an_answerer(tmp_path):
    from utils.training.fusions import train_fusion

    train_fusion("projector", 0, folder=tmp_path, budget=same_for_llava(Amount(pictures=4, batch=2, rows=2, steps=(0, 2))))
    said = probe.fusion_way("projector", tmp_path, limit=6)([render(single("dog")), render(single("cat"))], ["O que é isso?", "Onde está o gato?"])
    assert len(said) == 2 and all(isinstance(text, str) for text in said)


def test_llavas_of_transformers_are_answerers(base):
    prompts = probe.thesis_prompts("en")[9:12]
    [row] = probe.probe_rows({"base": probe.llava_way(*base)}, prompts)
    assert row["right"] == 1.0 and row["moved"] == 1.0 and row["in_language"] == 1.0
