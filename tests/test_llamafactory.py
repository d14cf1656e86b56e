"""The benchmark against LLaMA-Factory compares the same model, the same text and the same learnt tokens."""

import json

import pytest
import torch

from benchmarks import llamafactory
from benchmarks.llamafactory_files import their_rows, write_model
from benchmarks.wider import wider_picture
from utils.corpus.conversations import read_rows
from utils.models.load import image_size, image_tokens, load_folder
from utils.models.prompts import encode_prefix, encode_turns
from utils.runs import UserError


def test_wider_picture_keeps_the_weights_and_interpolates_positions_as_transformers_does(base):
    model, _ = base
    wider = wider_picture(model, 256)
    assert (image_size(wider), image_tokens(wider), wider.config.text_config.max_position_embeddings) == (256, 256, 4096)
    before, after = model.state_dict(), wider.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])] if before.keys() == after.keys() else None
    assert changed == ["model.vision_tower.embeddings.position_embedding.weight"]
    pixels = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = model.model.vision_tower.embeddings(pixels, interpolate_pos_encoding=True)
        assert torch.allclose(wider.model.vision_tower.embeddings(pixels), expected, atol=1e-6)
    assert image_size(model) == 96, "the model given must stay as it was"


def test_wider_picture_keeps_tied_embeddings_tied_and_the_random_numbers(base):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    wider = wider_picture(base[0], 128)
    assert torch.equal(torch.rand(3), expected)
    assert wider.lm_head.weight is wider.model.language_model.embed_tokens.weight


def test_a_side_that_patches_do_not_tile_is_told(base):
    with pytest.raises(UserError, match="multiple of 16"):
        wider_picture(base[0], 100)


def test_their_text_is_ours_to_the_letter_and_so_are_the_learnt_tokens(base, corpus):
    _, tokenizer = base
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    rows = list(read_rows(corpus / "conversation_58k.json"))
    for row, told in zip(rows, their_rows(rows, corpus / "images"), strict=True):
        texts = [turn["value"] for turn in row["conversations"]]
        turns = [(q.replace("<image>", "").strip(), a) for q, a in zip(texts[::2], texts[1::2], strict=True)]
        ours, labels = encode_turns(tokenizer, turns)
        # LLaMA-Factory 0.9.5, data/template.py, "llava": the system text, then a user turn and an answer with the end token each.
        said = [turn["value"] for turn in told["conversations"]]
        asked, answers = [f"USER: {text} ASSISTANT:" for text in said[::2]], said[1::2]
        theirs = ids(told["system"]) + [piece for q, a in zip(asked, answers, strict=True) for piece in [*ids(q), *ids(a), tokenizer.eos_token_id]]
        assert tokenizer.decode(theirs) == tokenizer.decode(encode_prefix(tokenizer, 1) + ours)
        learnt = [piece for a in answers for piece in [*ids(a), tokenizer.eos_token_id]]
        assert learnt == [label for label in labels if label != -100]


def test_their_folder_opens_as_the_same_model(base, tmp_path):
    write_model(tmp_path, 96)
    model, tokenizer = load_folder(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(base[0].state_dict().values(), model.state_dict().values(), strict=True))
    told = json.loads((tmp_path / "processor_config.json").read_text())
    patches = (told["image_processor"]["size"]["height"] // told["patch_size"]) ** 2
    # Their plug-in counts patches plus the class token, less one under "default".
    assert told["vision_feature_select_strategy"] == "default"
    assert patches + told["num_additional_image_tokens"] - 1 == image_tokens(model) and "<image>" in tokenizer.all_special_tokens


def test_our_run_learns_every_conversation_once_in_the_steps_asked(corpus, tmp_path):
    write_model(tmp_path / "model", 96)
    rows = [{k: v for k, v in row.items() if k != "turns"} for row in read_rows(corpus / "detail_23k.json")]
    told = llamafactory.our_run(tmp_path, rows, corpus / "images", 3)
    assert (told["steps"], told["conversations"]) == (3, len(rows))
    assert told["parameters"] == 466_944  # rank 32: 4 layers × 32 × (2·(192+192) + 2·(192+192) + 3·(192+512))
    assert told["tokens"] <= told["tokens apart"]


def test_two_sides_that_train_different_things_are_no_result():
    with pytest.raises(UserError, match="learnt tokens are 4199 with LLaMA-Factory and 4215 with us"):
        llamafactory._same("learnt tokens", 4215, 4199, "choose a larger --cutoff")


def test_a_missing_or_failing_program_is_one_sentence(tmp_path, capsys):
    assert llamafactory.main(["--python", str(tmp_path / "python"), "--pictures", "2", "--tokens", "36"]) == 2
    assert "cannot be run" in capsys.readouterr().err
    program = tmp_path / "llamafactory-cli"
    program.write_text("#!/bin/sh\necho 'no such template' >&2\nexit 3\n")
    program.chmod(0o755)
    assert llamafactory.main(["--python", str(tmp_path / "python"), "--pictures", "2", "--tokens", "36"]) == 2
    assert "ended with 3 (no such template)" in capsys.readouterr().err
