"""Sounds as a second modality: the melody that is drawn is the one that is asked about, and each fusion takes it by its own way."""

import pytest
import torch

from utils.corpus import sounds
from utils.corpus.sounds import Sound, asks_of, sound_of, spectrogram, waveform
from utils.evaluation.second_modality import exchanged, hearing, held_out
from utils.models.fusions import fusion, fusions, open_fusion, parts
from utils.models.pixels import to_pixels
from utils.models.prompts import IGNORE
from utils.runs import UserError
from utils.training.fusions import Budget, Rows, collate, pictures_of, tower_features, train_fusion
from utils.training.second_modality import REPLAY, Mixed, SecondBudget, sounds_of, train_second, with_second

SMALL = Budget(pictures=4, questions=2, batch=2, rounds=1)


def test_a_tone_stands_where_its_pitch_says():
    """The loudest row of the spectrogram, from the bottom in steps of 31.25 hertz, is the tone's pitch; time runs to the right."""
    import numpy as np

    shade = np.asarray(spectrogram(Sound((500.0, 1500.0), 1)))[::-1, :, 0].astype(float)
    halves = shade[:, :48].sum(1).argmax(), shade[:, 48:].sum(1).argmax()
    assert [round(row * 31.25) for row in halves] == [pytest.approx(500, abs=32), pytest.approx(1500, abs=32)]
    assert np.array_equal(waveform(Sound((500.0,), 1)), waveform(Sound((500.0,), 1))) and abs(waveform(Sound((500.0,), 1))).max() < 1.1


@pytest.mark.parametrize("language,answers", [
    ("pt-BR", ["Ouvem-se dois toques.", "O som desce.", "É grave."]), ("it", ["Si sentono due suoni.", "Il suono scende.", "È grave."]),
    ("en", ["Two tones are heard.", "The sound goes down.", "It is low."]), ("pt-PT", ["Ouvem-se dois toques.", "O som desce.", "É grave."]),
])  # fmt: skip
def test_answers_follow_the_melody(language, answers):
    assert [answer for _, _, answer in asks_of(Sound((2000.0, 600.0), 0), language)] == answers
    one = asks_of(Sound((2000.0,), 0), language)
    assert [kind for kind, *_ in one] == ["how_many", "last"] and one[0][2] == sounds.WORDS[language.split("-")[0]]["how_many"][1][0]


def test_a_language_without_words_is_named():
    with pytest.raises(ValueError, match="no questions in 'fr'"):
        asks_of(sound_of("train", 0), "fr")


def test_melodies_are_held_out_and_all_answers_occur():
    train, known = ({sound_of(split, n) for n in range(200)} for split in ("train", "known"))
    assert not train & known
    assert {len(s.tones) for s in known} == {1, 2, 3, 4} and {s.direction for s in known} == set(sounds.DIRECTIONS)
    for sound in known:
        assert all(sounds.LOW <= tone <= sounds.HIGH for tone in sound.tones)
        assert all(abs(b - a) >= sounds.STEPS[0] or sound.direction == "level" for a, b in zip(sound.tones, sound.tones[1:], strict=False))


def test_an_exchanged_sound_has_another_answer():
    asks = held_out(30, "pt-BR")
    for (kind, question, answer, _), other in zip(asks, exchanged(asks), strict=True):
        assert (kind, question, answer) not in asks_of(other, "pt-BR")


@pytest.fixture(scope="module")
def words():
    return parts.base_tokenizer()


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Each fusion after two steps of training, opened once for all."""
    place = tmp_path_factory.mktemp("started")
    for name in fusions():
        train_fusion(name, 0, folder=place / name, budget=SMALL)
    return place


def mixed_batch(name, model, words, count=REPLAY * 2):
    module = fusion(name)
    if hasattr(module, "prepare_second"):
        module.prepare_second(model, sounds_of("train", 8)[1], 0)
    scenes, shown = pictures_of(4, 0)
    heard, pixels = sounds_of("train", 8)
    data = Mixed(
        Rows(model, module, words, tower_features(model, shown), scenes, "pt-BR", SMALL, 0), heard, tower_features(model, pixels, second=True), 0
    )  # fmt: skip
    items = [data[n] for n in range(count)]
    assert [item[0]["second"] for item in items[: REPLAY + 1]] == [False] + [True] * (REPLAY - 1) + [False]
    return collate(items, module.PACKED, words.pad_token_id)


@pytest.mark.parametrize("name", list(fusions()))
def test_the_new_parts_serve_sounds_alone_and_learn(name, words, started):
    """Changing what was added changes the loss of sounds and not one bit of that of pictures; and all of it gets gradient."""
    model, _, added = with_second(name, started / name, 0)
    assert added > 0
    batch = mixed_batch(name, model.eval(), words)
    fresh = {n: p for n, p in model.named_parameters() if "second" in n}
    model(**batch).backward()
    assert fresh and all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in fresh.items() if p.requires_grad)
    rows = {flag: {key: value[batch["second"] == flag] for key, value in batch.items()} for flag in (False, True)}
    with torch.no_grad():
        before = {flag: model(**some).item() for flag, some in rows.items()}
        for parameter in fresh.values():
            parameter.mul_(0.5)
        after = {flag: model(**some).item() for flag, some in rows.items()}
    assert after[False] == before[False] and after[True] != before[True]


def test_type_d_keeps_the_codes_of_two_modalities_apart(words, started):
    """Sounds read the rows behind the picture's codes, and a drawing holds picture codes alone, however likely the others are."""
    from utils.models.fusions import vq

    model, _, _ = with_second("one_vocabulary", started / "one_vocabulary", 0)
    batch = mixed_batch("one_vocabulary", model.eval(), words)
    codes = model.codes(batch)
    heard = batch["second"]
    assert heard.any() and (codes[heard] >= vq.CODES).all() and (codes[~heard] < vq.CODES).all()
    with torch.no_grad():
        model.language.get_input_embeddings().weight[model.words + vq.CODES :] *= 50
        ids = torch.tensor([[words.bos_token_id, *words("O fundo é azul.\n", add_special_tokens=False)["input_ids"]]])
        drawn, _ = model.draw({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    assert drawn.max() < vq.CODES


@pytest.mark.parametrize("name", ["projector", "one_vocabulary"])
def test_it_is_trained_saved_and_opened_again(name, started, tmp_path):
    small = SecondBudget(sounds=8, pictures=4, batch=4, steps=2)
    made = train_second(name, 0, started / name, tmp_path / "second", budget=small)
    assert made["steps"] == 2 and made["added"] > 0 and len(made["history"]) >= 1
    model, tokenizer = open_fusion(name, tmp_path / "second", second=True)
    rows = {row["type"]: row for row in hearing(model, tokenizer, fusion(name).SLOTS, "pt-BR", 6)}
    assert rows["all"]["total"] == len(held_out(6, "pt-BR")) and rows["how_many"]["total"] == 6 and 0 < rows["all"]["baseline"] <= 1
    assert train_second(name, 0, started / name, tmp_path / "second", budget=small)["finished"] == made["finished"]
    with pytest.raises(UserError, match="does not hold this fusion"):
        open_fusion(name, tmp_path / "second")
    with pytest.raises(UserError, match="train the fusion projector first"):
        train_second("projector", 0, tmp_path / "nothing", tmp_path / "x")


def test_a_model_that_says_the_right_thing_is_scored_right(monkeypatch):
    """Scores and the exchange, without a model: one that hears and one that always says the same."""
    from utils.evaluation import second_modality

    asks = held_out(12, "pt-BR")
    key = lambda picture: to_pixels(picture).sum().item()  # noqa: E731
    truth = {(key(spectrogram(sound)), q): answer for *_, sound in asks for _, q, answer in asks_of(sound, "pt-BR")}

    def hears(model, tokenizer, slots, pictures, asked, second):
        return [truth[key(picture), question] for picture, question in zip(pictures, asked, strict=True)]

    def deaf(model, tokenizer, slots, pictures, asked, second):
        return ["Ouve-se um toque." for _ in asked]

    monkeypatch.setattr(second_modality, "replies", hears)
    found = hearing(None, None, 0, "pt-BR", 12)
    assert all(row["right"] == row["total"] and row["changed"] == 1 for row in found)
    monkeypatch.setattr(second_modality, "replies", deaf)
    row = {row["type"]: row for row in hearing(None, None, 0, "pt-BR", 12)}["how_many"]
    assert row["right"] == sum(len(sound_of("known", n).tones) == 1 for n in range(12)) and row["changed"] == 0
    monkeypatch.setattr(second_modality, "replies", lambda model, tokenizer, slots, pictures, asked, second: [str(key(p)) for p in pictures])
    assert all(row["right"] == row["changed"] == 0 for row in hearing(None, None, 0, "pt-BR", 12))  # wrong answers that change count for nothing


def test_labels_are_on_answers_only(words, started):
    model, _, _ = with_second("projector", started / "projector", 0)
    batch = mixed_batch("projector", model, words)
    told = words.decode(batch["labels"][1][batch["labels"][1] != IGNORE])
    assert "toque" in told and "?" not in told
