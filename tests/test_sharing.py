"""Sharing a model: the export answers alike in plain transformers, the cards say what manifests say, a push sends what was tested."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from tests import hub_server
from utils import runs
from utils.corpus.images import load_picture
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import scene_of
from utils.models.load import SHIPPED, load_folder
from utils.models.pixels import to_pixels
from utils.models.prompt_formats import PROMPTS
from utils.models.prompts import encode_prefix, encode_turns
from utils.runs import ROOT, UserError
from utils.serving.answer import ask
from utils.serving.cards import write_cards
from utils.serving.export import MAX_NEW_TOKENS, chat_template, check_processor, export_model, hashes, random_picture, sizes
from utils.serving.push import push
from utils.training.recipes import provenance, recipe

QUESTIONS = ("What is in the top left corner?", "How many things are there?", "Describe the picture.", "O que você vê?", "Is there a dog?")

# What a stranger runs: nothing of ours is imported.
PLAIN = """
import json, sys
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

folder, asked = sys.argv[1], json.loads(sys.argv[2])
model, processor = LlavaForConditionalGeneration.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
said = []
for path, question in asked:
    content = [{"type": "text", "text": question}, {"type": "image", "image": Image.open(path)}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    out = model.generate(**inputs)[0]
    said.append([out.tolist(), processor.decode(out[inputs["input_ids"].shape[1]:], skip_special_tokens=True).strip()])
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The shipped base, exported in full precision."""
    folder = tmp_path_factory.mktemp("export")
    shutil.copytree(SHIPPED, folder / "model")
    return export_model(folder / "model", folder / "out", dtype="float32")


def pictures(folder):
    """Drawn scenes as files: square, wide, tall, and see-through."""
    folder.mkdir()
    for n, (width, height) in enumerate(((96, 96), (211, 96), (97, 160), (96, 100), (150, 97))):
        canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0)) if n == 4 else Image.new("RGB", (width, height), (30, 120, 60))
        canvas.paste(render(scene_of("known", n, 7)), ((width - 96) // 2, (height - 96) // 2))
        canvas.save(folder / f"{n}.png")
    return sorted(folder.glob("*.png"))


def test_plain_transformers_in_a_fresh_process_gives_the_same_tokens(exported, tmp_path, monkeypatch):
    asked = [(str(path), question) for path, question in zip(pictures(tmp_path / "pictures"), QUESTIONS, strict=True)]
    from transformers import LlavaForConditionalGeneration

    seen, own = [], LlavaForConditionalGeneration.generate
    monkeypatch.setattr(LlavaForConditionalGeneration, "generate", lambda *a, **k: seen.append(own(*a, **k)) or seen[-1])
    answers = [ask(path, question, SHIPPED) for path, question in asked]
    ended = subprocess.run([sys.executable, "-c", PLAIN, str(exported), json.dumps(asked)], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    there = json.loads(ended.stdout.splitlines()[-1])
    assert [text for _, text in there] == answers and all(answers)
    assert [ids for ids, _ in there] == [out[0].tolist() for out in seen]


def test_the_export_keeps_every_number_in_shards_with_true_hashes(tmp_path):
    from safetensors.torch import load_file

    out = export_model(SHIPPED, tmp_path / "out", shard="3MB")
    shards = sorted(out.glob("*.safetensors"))
    assert len(shards) == 2 and all(path.stat().st_size < 3.1e6 for path in shards)
    there = {name: tensor for path in shards for name, tensor in load_file(path).items()}
    before = load_file(SHIPPED / "model.safetensors")
    assert there.keys() == before.keys() and all(torch.equal(there[name], before[name]) and there[name].dtype == torch.float16 for name in there)
    noted = json.loads((out / "export.json").read_text())["sha256"]
    assert noted == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in out.iterdir() if p.name != "export.json"}
    assert {"config.json", "processor_config.json", "preprocessor_config.json", "chat_template.jinja", "tokenizer.json"} <= noted.keys()
    assert not [p for p in out.iterdir() if p.suffix in (".bin", ".pt", ".pkl")]


def test_the_exported_processor_makes_the_pixels_of_training(exported, tmp_path):
    from transformers import AutoProcessor

    images = AutoProcessor.from_pretrained(exported).image_processor
    far = {size: (images(images=p, return_tensors="pt")["pixel_values"][0] - to_pixels(p, 96)).abs().max()
           for size in sizes(96, 120, seed=5) for p in [random_picture(*size, 1)]}  # fmt: skip
    assert len(far) > 110 and max(far.values()) < 1e-6, max(far, key=far.get)
    for mode in ("L", "P", "1", "RGBA", "LA"):
        path = tmp_path / f"{mode}.png"
        random_picture(70, 41, 2).convert("RGBA").rotate(30).convert(mode).save(path)
        there = images(images=Image.open(path), return_tensors="pt")["pixel_values"][0]
        assert (there - to_pixels(load_picture(path), 96)).abs().max() < 1e-6, mode


def with_control_tokens(tokenizer, names):
    from transformers import PreTrainedTokenizerFast

    own = PreTrainedTokenizerFast(
        tokenizer_object=type(tokenizer._tokenizer).from_str(tokenizer._tokenizer.to_str()), bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<pad>", extra_special_tokens=["<image>", *names],
    )  # fmt: skip
    assert all(own.convert_tokens_to_ids(name) != own.unk_token_id for name in names)
    return own


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("names", [(), ("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>")])
def test_the_template_writes_each_format_as_it_is_learnt(name, names, tokenizer):
    form, own = PROMPTS[name], with_control_tokens(tokenizer, names)
    turns = [("O que há à esquerda?", "Um cão."), ("2 + 2?", "4"), ("É isto\num «gato»?", "Não.")][: 3 if form.asks else 1]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": turns[0][0]}, {"type": "image"}]},
        {"role": "assistant", "content": turns[0][1]},
    ]
    for question, answer in turns[1:]:
        messages += [{"role": "user", "content": f" {question}\n"}, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    text = own.apply_chat_template(messages, chat_template=chat_template(own, form), tokenize=False)
    assert own(text, add_special_tokens=False)["input_ids"] == encode_prefix(own, 1, form) + encode_turns(own, turns, form)[0]


@pytest.mark.parametrize(
    "content,said",
    [
        ([{"role": "user", "content": "O que é?"}], "exactly one picture"),
        ([{"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "?"}]}], "exactly one picture"),
        ([{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "image"}]}], "only the roles"),
    ],
)
def test_the_template_refuses_what_the_model_never_saw(content, said, exported):
    from transformers import AutoTokenizer

    with pytest.raises(Exception, match=said):
        AutoTokenizer.from_pretrained(exported).apply_chat_template(content, chat_template=(exported / "chat_template.jinja").read_text())


def test_a_processor_that_differs_is_told_by_size_in_the_record_and_the_card(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "out")
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).write_text((folder / name).read_text().replace('"do_pad": true', '"do_pad": false'))
    (folder / "chat_template.jinja").write_text((folder / "chat_template.jinja").read_text().replace("USER: ", "USER:  "))
    check = check_processor(folder, *load_folder(SHIPPED))
    assert check.pictures == 24 and check.max_difference > 0.5 and "192x1" in check.differ and not {"1x1", "96x96"} & set(check.differ)
    assert len(check.asked_otherwise) == check.questions > 10
    record = json.loads((folder / "export.json").read_text())
    assert record["check"]["differ"] == record["check"]["asked_otherwise"] == [] and record["check"]["max_difference"] == 0
    runs.write_json(folder / "export.json", record | {"check": vars(check)})
    card = write_cards(tmp_path / "none", SHIPPED, folder)[0].read_text()
    assert "192x1" in card and f"at most {check.max_difference:g}" in card and f"{check.questions} are split into other tokens" in card


def test_generation_is_as_long_as_the_course_asks(exported):
    import inspect

    from utils.evaluation.generate import answer_all

    assert inspect.signature(answer_all).parameters["max_new_tokens"].default == MAX_NEW_TOKENS
    assert json.loads((exported / "generation_config.json").read_text())["max_new_tokens"] == MAX_NEW_TOKENS


def test_an_export_refuses_what_it_cannot_do_and_loses_nothing(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="no earlier export"):
        export_model(SHIPPED, mine)
    assert (mine / "thesis.txt").read_text() == "x"
    with pytest.raises(UserError, match="holds no model"):
        export_model(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(UserError, match="precision 'int3' is unknown"):
        export_model(SHIPPED, tmp_path / "out", dtype="int3")
    model = shutil.copytree(SHIPPED, tmp_path / "model")
    with pytest.raises(UserError, match="the model itself"):
        export_model(model, model)
    (model / "config.json").write_text((model / "config.json").read_text().replace('"llava"', '"llava_next"'))
    with pytest.raises(UserError, match="holds a llava_next"):
        export_model(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_earlier_export_is_replaced_whole(tmp_path):
    out = export_model(SHIPPED, tmp_path / "out", shard="3MB")
    (out / "README.md").write_text("old")
    export_model(SHIPPED, out)
    assert [p.name for p in out.glob("*.safetensors*")] == ["model.safetensors"] and not (out / "README.md").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


# --- cards


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course's folder as the journey leaves it: a stage's manifest, a translation's report, and real evaluations, three of them of this model."""
    from safetensors.torch import load_file, save_file

    from utils.evaluation.runner import evaluate

    folder = tmp_path_factory.mktemp("outputs") / "tiny" / "pt-BR"
    export_model(SHIPPED, folder / "export", dtype="float32")
    model = folder / "llava-pt" / "instruct" / "model"
    shutil.copytree(folder / "export", model)
    weights = load_file(model / "model.safetensors")
    for layer in (1, 2, 3):  # so that it answers otherwise than the base
        weights[f"language_model.model.layers.{layer}.mlp.down_proj.weight"].zero_()
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    facts = {"scale": "tiny", "language": "pt-BR", "recipe": "llava-pt", "stage": "instruct", "seed": 0, "steps": 1200, "pictures": 2378}
    runs.finish(model.parent, "feedbeef", 0.0, **facts, parameters={"trained": 5, "all": 10}, packs=9, aligned_pieces=0)
    counts = {"rows": 50, "translated": 48, "quarantined": 2}
    files = {"detail_23k.json": counts, "conversation_58k.json": counts, "llava_instruct_80k.json": counts}
    for name in list(files)[:2]:
        runs.write_text(folder / "corpus" / name, name)
    runs.write_json(folder / "corpus" / "report.json", {"engine": "bergamot/enpt/1", "files": files, "reasons": {"end | mark <b>": 4}})
    for name, what, language in (("tuned", model, "en"), ("tuned", model, "pt-BR"), ("base", SHIPPED, "en")):
        evaluate(what, language, folder / "evaluation" / name / language, 1, seen=(name, language) == ("tuned", "en"))
    evaluate(model, "pt-BR", folder / "evaluation" / "splits" / "counts", 1, split="counts")
    return folder


def fields():
    return {"llava-pt": provenance(recipe("llava-pt"))}


def cards(course, recipes=None):
    model, data = write_cards(course, course / "llava-pt" / "instruct" / "model", course / "export", recipes)
    return model.read_text(encoding="utf-8"), data.read_text(encoding="utf-8")


def test_the_model_index_holds_the_scores_of_these_weights_alone(course):
    from huggingface_hub import ModelCard

    cards(course)
    data = ModelCard.load(course / "export" / "README.md").data
    kept = {(r.dataset_config, r.dataset_split): (r.metric_value, r.metric_args) for r in data.eval_results}
    wanted = {}
    for place in ("tuned/en", "tuned/pt-BR", "splits/counts"):  # base/en is of other weights
        table = json.loads((course / "evaluation" / place / "result.json").read_text())["table"]
        row, told = table[-1], json.loads((course / "evaluation" / place / "manifest.json").read_text())
        wanted[told["language"], told["split"]] = (
            round(row["share"], 4),
            {
                "right": row["right"], "questions": 14, "interval_95": [round(row["low"], 4), round(row["high"], 4)],
                "majority_baseline": round(row["baseline"], 4),
            },
        )  # fmt: skip
    assert kept == wanted and len(data.eval_results) == 3
    assert (data.license, data.language, data.language_bcp47, data.pipeline_tag) == ("cc-by-sa-4.0", ["pt", "en"], ["pt-BR"], "image-text-to-text")
    assert data.get("base_model") is None and data.get("datasets") is None  # neither is on a hub


def test_a_result_of_changed_weights_is_not_listed(course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "pt-BR")
    model = copy / "llava-pt" / "instruct" / "model" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1] + b"\x07")
    text, _ = cards(copy)
    assert "model-index" not in text and "no kept evaluation" in text and "majority baseline |" not in text


def test_the_model_card_tells_data_training_results_and_english_kept(course):
    text, _ = cards(course, fields())
    hashed = runs.file_hash(course / "corpus" / "detail_23k.json")
    assert f"| detail_23k.json | 50 | 48 | 2 | {hashed} |" in text and "4 of 100 rows were held back" in text
    assert "`bergamot/enpt/1`" in text and "Firefox Translations" in text and "OpenMoji" in text
    assert "| tune.llm.lr | 0.0002 | reported |" in text and "| tune.llm.rank | 128 | assumed |" in text and "| replay | 0.25 | ours |" in text
    assert "| rows | unknown | unknown |" in text and "learning rates × 15" in text and "at most 1200 steps" in text
    for language, heading in (("en", "English"), ("pt-BR", "Brazilian Portuguese")):
        section = text.split(f"### Questions in {heading}")[1].split("###")[0]
        for row in json.loads((course / "evaluation" / "tuned" / language / "result.json").read_text())["table"]:
            share = f"{100 * row['share']:.0f} % ({100 * row['low']:.0f}–{100 * row['high']:.0f})"
            assert f"| {row['right']} of {row['total']} | {share} | {100 * row['baseline']:.0f} % |" in section, row["type"]
    shares = [json.loads((course / "evaluation" / f"{name}/en" / "result.json").read_text())["table"][-1] for name in ("base", "tuned")]
    assert shares[0]["right"] != shares[1]["right"]
    assert [f"{100 * s['share']:.0f} % ({100 * s['low']:.0f}–{100 * s['high']:.0f})" in text.split("### English kept")[1] for s in shares] == [
        True,
        True,
    ]
    assert text.index("### Questions in Brazilian") < text.index("### Questions in English") and "tiny model" in text


def test_above_the_baseline_is_the_whole_interval(course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "pt-BR")
    result = copy / "evaluation" / "tuned" / "en" / "result.json"
    told = json.loads(result.read_text())
    told["table"][0] |= {"share": 0.6, "low": 0.45, "high": 0.74, "baseline": 0.5}  # naming: the share is above, its interval is not
    told["table"][1] |= {"share": 0.7, "low": 0.55, "high": 0.82, "baseline": 0.5}
    runs.write_json(result, told)
    lines = cards(copy)[0].split("### Questions in English")[1].splitlines()
    above = {line.split("|")[1].strip(): line.split("|")[5].strip() for line in lines if line.count("|") == 7}
    assert (above["naming"], above["yes or no"]) == ("no", "yes")


def test_text_from_data_stays_text_in_a_table(course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "pt-BR")
    manifest = copy / "llava-pt" / "instruct" / "manifest.json"
    runs.write_json(manifest, json.loads(manifest.read_text()) | {"seed": "<script>alert(1)</script> | x\n# y", "stage": "a|b"})
    for text in cards(copy):
        assert "end \\| mark &lt;b>" in text and "<script>" not in text and "\n# y" not in text


def test_hyperparameters_of_another_recipe_are_not_taken(course):
    text, _ = cards(course, {"llava-ndino": fields()["llava-pt"]})
    assert "Hyperparameters: unknown" in text and "0.0002" not in text and "× 15" not in text


def test_without_manifests_the_cards_say_unknown(exported, tmp_path):
    out = shutil.copytree(exported, tmp_path / "out")
    text, data = (path.read_text() for path in write_cards(tmp_path / "none", tmp_path / "model", out, fields()))
    assert "license: unknown" in text and "license: unknown" in data and "# unknown-unknown-unknown" in text
    for said in ("OpenMoji", "Firefox", "LLaVA-Instruct, CC", "machine-translated", "traduzidas", "tiny model", "model-index", "0.0002"):
        assert said not in text, said
    assert text.lower().count("unknown") > 10 and "Quarantine" not in text and "by machine" not in data


@pytest.mark.parametrize(
    "scale,engine,licence,words,never",
    [
        ("tiny", "gold", "cc-by-sa-4.0", ("OpenMoji", "no translator"), ("LLaVA-Instruct, CC", "Firefox", "base_model", "traduzidas")),
        ("workshop", "googletrans", "cc-by-nc-4.0", ("CC BY-NC 4.0", "base_model: llava-hf/llava-1.5-7b-hf", "Llama 2"), ("OpenMoji", "tiny model")),
        ("a100-0.5", "bergamot/1", "cc-by-nc-4.0", ("base_model: llava-hf/llava-1.5-13b-hf", "liuhaotian/LLaVA-Instruct-150K"), ("OpenMoji",)),
    ],
)  # fmt: skip
def test_licences_follow_the_data(scale, engine, licence, words, never, tmp_path):
    model = tmp_path / "c" / "llava-pt" / "instruct" / "model"
    model.mkdir(parents=True)
    shutil.copy(SHIPPED / "config.json", model)
    runs.finish(model.parent, "x", 0.0, scale=scale, language="pt-BR", recipe="llava-pt", stage="instruct")
    runs.write_json(tmp_path / "c" / "corpus" / "report.json", {"engine": engine, "files": {"../../x": {"rows": 1}}})
    runs.write_text(tmp_path / "x", "not of the course")
    text, data = (path.read_text() for path in write_cards(tmp_path / "c", model, tmp_path / "out"))
    assert f"license: {licence}" in text and f"license: {licence}" in data
    assert all(word in text for word in words) and not any(word in text for word in never)
    assert "| x | 1 | unknown | unknown | unknown |" in data and "../" not in data  # a report's names stay in its folder


# --- push


@pytest.fixture()
def ready(exported, tmp_path):
    """An exported folder with its cards."""
    folder = shutil.copytree(exported, tmp_path / "share")
    write_cards(tmp_path / "none", SHIPPED, folder)
    return folder


@pytest.fixture()
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # as HF_HUB_DISABLE_XET=1 would: large files go by git-lfs
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with hub_server.serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


PUSH = "import sys; from utils.serving.push import push; print(push(sys.argv[1], 'ana/llava-pt'))"


def test_a_fresh_process_pushes_every_byte_to_a_private_repository(ready, hub, tmp_path):
    env = os.environ | {"HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": hub_server.TOKEN, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", PUSH, str(ready)], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == f"{hub.url}/ana/llava-pt/commit/{1:040x}"
    assert hub.repos["ana/llava-pt"] == {path.name: path.read_bytes() for path in ready.iterdir()} and hub.private == {"ana/llava-pt": True}
    assert len(hub.commits) == 1 and len(hub.lfs) == 1


def test_pushing_again_sends_only_what_changed(ready, hub):
    push(ready, "ana/x", hub_server.TOKEN, private=False)
    assert hub.private == {"ana/x": False}
    (ready / "README.md").write_text((ready / "README.md").read_text() + "\nMore.\n")
    push(ready, "ana/x", hub_server.TOKEN)
    assert hub.commits[1:] == [["README.md"]] and hub.asked.count("put") == 1 and b"More." in hub.repos["ana/x"]["README.md"]
    assert hub.private == {"ana/x": False}  # what exists is left as it is


@pytest.mark.parametrize("kind,status,said", [
    ("create", 403, "refused the token"), ("create", 500, "answered 500"), ("preupload", 403, "refused the token"), ("batch", 404, "answered 404"),
    ("put", 400, "stopped"), ("commit", 413, "answered 413"),
])  # fmt: skip
def test_each_refusal_is_one_sentence_and_the_next_push_goes_on(kind, status, said, ready, hub):
    hub.fail = {kind: status}
    with pytest.raises(UserError, match=said) as told:
        push(ready, "ana/x", hub_server.TOKEN)
    assert str(told.value).count("\n") == 0 and hub_server.TOKEN not in str(told.value) and not hub.commits
    hub.fail = {}
    push(ready, "ana/x", hub_server.TOKEN)
    assert len(hub.repos["ana/x"]) == len(list(ready.iterdir()))


def test_without_token_name_or_network_nothing_is_sent(ready, hub, monkeypatch):
    from huggingface_hub import constants

    with pytest.raises(UserError, match="there is no token"):
        push(ready, "ana/x")
    assert hub.asked == []
    with pytest.raises(UserError, match="refused the token"):
        push(ready, "ana/x", "hf_wrong")
    with pytest.raises(UserError, match="no repository's name"):
        push(ready, "a na/x", hub_server.TOKEN)
    assert hub.repos == {}
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        push(ready, "ana/x", hub_server.TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        push(ready, "ana/x", hub_server.TOKEN)


@pytest.mark.parametrize("harm,said", [
    (lambda folder: (folder / "checkpoint.pt").write_text("x"), "checkpoint.pt was not exported"),
    (lambda folder: (folder / "config.json").write_text("{}"), "config.json was changed"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    (lambda folder: (folder / "README.md").unlink(), "no model card"),
    (lambda folder: (folder / "export.json").unlink(), "is no exported model"),
])  # fmt: skip
def test_only_what_was_tested_goes_online(harm, said, ready, hub):
    harm(ready)
    with pytest.raises(UserError, match=said):
        push(ready, "ana/x", hub_server.TOKEN)
    assert hub.asked == []


def test_importing_the_parts_loads_nothing_heavy():
    heavy = ("torch", "transformers", "huggingface_hub", "numpy")
    code = f"import sys, utils.serving.export, utils.serving.cards, utils.serving.push; print([n for n in {heavy} if n in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.strip() == "[]", ended.stderr


def test_hashes_see_folders_too(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.json").write_text("{}")
    (tmp_path / "export.json").write_text("{}")
    assert hashes(tmp_path) == {"a/b.json": hashlib.sha256(b"{}").hexdigest()}
