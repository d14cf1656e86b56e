"""The five small fusions: one interface, what learns, where the picture goes, the swap test, the picture tokenizer."""

import pytest
import torch

from utils.models.fusions import fusion, fusions, open_fusion, parts
from utils.models.fusions.parts import PROMPT
from utils.models.prompts import IGNORE, encode_prefix, encode_turns
from utils.runs import UserError

NAMES = ("cross_attention", "visual_expert", "projector", "one_vocabulary", "state_space")
TURNS = [("O que está no canto superior esquerdo?", "É um cachorro."), ("Qual é a cor do fundo?", "O fundo é azul.")]


@pytest.fixture(scope="module")
def words():
    return parts.base_tokenizer()


@pytest.fixture(scope="module")
def built(words):
    return {name: fusion(name).build(words, seed=1) for name in NAMES}


@pytest.fixture(scope="module")
def pixels():
    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import scene_of
    from utils.models.pixels import to_pixels

    return torch.stack([to_pixels(render(scene_of("train", n))) for n in range(4)])


def batch_of(words, name, turn, pixels):
    ids, labels = encode_turns(words, [turn], PROMPT)
    prefix = encode_prefix(words, fusion(name).SLOTS, PROMPT)
    row = torch.tensor([prefix + ids] * len(pixels))
    return {
        "input_ids": row, "labels": torch.tensor([[IGNORE] * len(prefix) + labels] * len(pixels)), "attention_mask": torch.ones_like(row),
        "pixel_values": pixels,
    }  # fmt: skip


def test_the_folder_holds_the_five_types():
    assert {name: fusion(name).LETTER for name in fusions()} == dict(zip(NAMES, "ABCDS", strict=True))
    assert [fusion(name).SLOTS for name in NAMES] == [0, 36, 36, 36, 36]
    with pytest.raises(UserError, match="use one of"):
        fusion("perceiver")


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradients_reach_exactly_what_learns(name, words, built, pixels):
    model = built[name]
    if name == "cross_attention":  # closed gates pass no gradient to what lies behind them
        for layer in model.language.model.layers:
            torch.nn.init.constant_(layer.gated.alpha_cross_attn, 0.5)
            torch.nn.init.constant_(layer.gated.alpha_dense, 0.5)
    model.zero_grad()
    model(**batch_of(words, name, TURNS[0], pixels[:2])).backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    learns = {n for n, p in model.named_parameters() if model.rate(n) > 0}
    assert reached == learns
    assert not any(n.startswith("vision_tower") for n in learns) and any(n.startswith("language") for n in learns)
    if name == "cross_attention":
        model.load_state_dict(fusion(name).build(words, seed=1).state_dict())
    model.zero_grad()


@pytest.mark.parametrize("name", NAMES)
def test_generate_gives_new_tokens_and_a_row_does_not_feel_its_neighbour(name, words, built, pixels):
    from utils.evaluation.fusions import left_padded

    model, prefix = built[name].eval(), encode_prefix(words, fusion(name).SLOTS, PROMPT)
    rows = [prefix + words(text, add_special_tokens=False)["input_ids"] for text in ("Onde?", "Quantas coisas há no total? ASSISTANT:")]
    together = model.generate(left_padded(rows, words.pad_token_id) | {"pixel_values": pixels[:2]}, 4, eos_token_id=None)
    assert together.shape == (2, 4)
    for n in (0, 1):
        alone = model.generate(left_padded(rows[n : n + 1], words.pad_token_id) | {"pixel_values": pixels[n : n + 1]}, 4, eos_token_id=None)
        assert together[n].tolist() == alone[0].tolist()


@pytest.mark.parametrize("name", ["cross_attention", "visual_expert", "projector", "one_vocabulary", "state_space"])
def test_questions_of_one_picture_are_blind_to_each_other(name, words, built, pixels):
    """The loss of a row of two questions is the mean over separate rows, weighted by their labels."""
    from utils.training.fusions import collate

    model, module = built[name].eval(), fusion(name)
    features = model.look(pixels[:1])
    prefix = encode_prefix(words, module.SLOTS, PROMPT)
    item = [{"rows": (prefix, [encode_turns(words, [turn], PROMPT) for turn in TURNS]), "features": features[0]}]
    with torch.no_grad():
        shared = model(**collate([item], module.PACKED, words.pad_token_id)).item()
        apart, weights = [], []
        for turn in TURNS:
            batch = batch_of(words, name, turn, pixels[:1])
            apart.append(model(**batch).item())
            weights.append(int((batch["labels"] != IGNORE).sum()))
    assert shared == pytest.approx(sum(a * w for a, w in zip(apart, weights, strict=True)) / sum(weights), rel=1e-4)


def test_closed_gates_leave_the_language_model_as_it_was(words, built, pixels):
    """Type A (Flamingo): with its gates at 0 the output equals the text-only model bit by bit, and the sequence does not grow."""
    from utils.models.fusions.projector import language_of

    model = fusion("cross_attention").build(words, seed=3).eval()
    batch = batch_of(words, "cross_attention", TURNS[0], pixels[:1])
    assert model.image_id not in batch["input_ids"]
    plain = language_of(parts.shipped(words)).eval()
    with torch.no_grad():
        embeddings, _ = model.embed(batch)
        gated = model.language(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits
        assert torch.equal(gated, plain(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits)
        torch.nn.init.constant_(model.language.model.layers[0].gated.alpha_cross_attn, 0.5)
        assert not torch.equal(gated, model.language(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits)


def test_the_cross_attention_sees_every_patch_from_every_word(words, pixels):
    """The last patch reaches the first word: the layer's own default would hide later patches behind a causal mask."""
    model = fusion("cross_attention").build(words, seed=3).eval()
    torch.nn.init.constant_(model.language.model.layers[0].gated.alpha_cross_attn, 1.0)
    batch = batch_of(words, "cross_attention", TURNS[0], pixels[:1])
    features = model.look(batch.pop("pixel_values"))
    first = []
    for change in (0.0, 5.0):
        features[:, -1] += change
        embeddings, _ = model.embed(batch | {"features": features})
        first.append(model.language(inputs_embeds=embeddings).logits[0, 0].detach())
    assert not torch.allclose(first[0], first[1])


def test_expert_weights_serve_picture_tokens_only(words, pixels):
    """Type B (CogVLM): changing the experts changes nothing for a text without a picture, and changes the answer with one."""
    model = fusion("visual_expert").build(words, seed=3).eval()
    seen = batch_of(words, "visual_expert", TURNS[0], pixels[:1])
    text = {key: value[:, 37:] for key, value in seen.items() if key != "pixel_values"} | {"features": torch.zeros(1, 0, 128)}
    with torch.no_grad():
        before = model(**seen).item(), model(**text).item()
        for name, parameter in model.named_parameters():
            if ".expert." in name:
                parameter.mul_(0.5)
        after = model(**seen).item(), model(**text).item()
    assert after[1] == before[1] and after[0] != before[0]


def test_words_beside_a_picture_keep_their_own_weights(words, pixels):
    """Type B: with a picture in the row, words still pass through the language model's weights, not through the experts."""
    model = fusion("visual_expert").build(words, seed=3).eval()
    batch = batch_of(words, "visual_expert", TURNS[0], pixels[:1])
    with torch.no_grad():
        before = model(**batch).item()
        for name, parameter in model.named_parameters():
            if ".words." in name:
                parameter.mul_(0.5)
        assert model(**batch).item() != before


def test_the_control_starts_its_projector_anew(tmp_path, words):
    from utils.training.fusions import Budget, train_fusion

    base = parts.shipped(words).model.multi_modal_projector.linear_1.weight
    moved = {}
    for new in (False, True):
        budget = Budget(pictures=2, questions=1, batch=2, rounds=1, new_connector=new)
        train_fusion("projector", 0, folder=tmp_path / str(new), budget=budget)
        trained = open_fusion("projector", tmp_path / str(new))[0].connector.linear_1.weight
        moved[new] = (trained - base).norm() / base.norm()
    assert moved[False] < 0.1 and moved[True] > 0.8  # one step moves little


def test_type_b_before_training_equals_type_c(words, built, pixels):
    fresh = fusion("visual_expert").build(words, seed=1).eval()
    batch = batch_of(words, "projector", TURNS[0], pixels)
    with torch.no_grad():
        assert fresh(**batch).item() == pytest.approx(built["projector"].eval()(**batch).item(), rel=1e-5)


def test_the_state_space_model_reads_a_picture_once_for_all_its_questions(words, pixels, monkeypatch):
    """Loss and gradients are those of rows that each read their own picture, also when rows differ in nothing but the modality."""
    from utils.training.fusions import collate

    module = fusion("state_space")
    model = module.build(words, seed=2).eval()
    module.add_second(model, None, seed=2)
    torch.nn.init.normal_(model.second.linear_1.weight, std=0.1)
    features, prefix = model.look(pixels[:2]), encode_prefix(words, module.SLOTS, PROMPT)
    asks = [encode_turns(words, [turn], PROMPT) for turn in TURNS]
    items = [
        [{"rows": (prefix, part), "features": features[which], "second": second}]
        for which, second, part in ((0, False, asks), (1, False, asks), (1, True, asks[1:]))
    ]
    batch, read, found = collate(items, False, words.pad_token_id), [], []
    model.language.backbone.layers[0].register_forward_pre_hook(lambda layer, given: read.append(given[0].shape[:2].numel()))
    for forward in (parts.Fusion.forward, module.StateSpace.forward):
        model.zero_grad()
        loss = forward(model, **batch)
        loss.backward()
        found.append((loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}))
    (plain, one), (once, other) = found
    assert once == pytest.approx(plain, rel=1e-5) and one.keys() == other.keys()
    assert all(torch.allclose(other[name], grad, rtol=1e-3, atol=1e-4 * grad.abs().max().item()) for name, grad in one.items())
    rows, length = batch["input_ids"].shape
    assert read == [rows * length, 3 * 37, rows * (length - 37)]


def test_the_state_space_mixer_starts_as_a_linear_attention_with_the_base_s_weights(words):
    """Mamba in the Llama: what the scan gives equals the sum over earlier tokens of C·B times x, with Q as C, K as B, V as x."""
    from torch.nn.functional import silu

    from utils.models.fusions.state_space import FORGETS

    mixer = fusion("state_space").build(words, seed=2).eval().language.backbone.layers[1].mixer
    attention = parts.shipped(words).model.language_model.layers[1].self_attn.float()
    hidden, heads = torch.randn(1, 50, 192, generator=torch.Generator().manual_seed(0)), 4
    with torch.no_grad():
        mixer.in_proj.weight[:192] = 0.0  # gate and time steps that look at no token
        mixer.in_proj.weight[-heads:] = 0.0
        c, b, x = (silu(project(hidden)).view(50, heads, 48).transpose(0, 1) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        back = torch.arange(50)[:, None] - torch.arange(50)[None]
        steps = FORGETS[0] * (FORGETS[1] / FORGETS[0]) ** (torch.arange(heads) / (heads - 1))
        kept = torch.exp(-steps[:, None, None] * back) * steps[:, None, None] * (back >= 0)
        out = (kept * (c @ b.transpose(1, 2))) @ x + x
        out = out * out.pow(2).mean(-1, keepdim=True).add(1e-6).rsqrt()
        assert torch.allclose(mixer(hidden)[0], attention.o_proj(out.transpose(0, 1).reshape(50, 192)), atol=1e-3)


@pytest.fixture(scope="module")
def drawer(words, pixels):
    """Type D with code books found on the four pictures."""
    model = fusion("one_vocabulary").build(words, seed=1).eval()
    return model, fusion("one_vocabulary").prepare(model, model.look(pixels), pixels, seed=0, rounds=2)


def test_type_d_puts_its_codes_behind_the_words_and_learns_them(words, drawer, pixels):
    from utils.corpus.scenes.world import scene_of
    from utils.models.fusions import vq
    from utils.training.fusions import collate, drawing_row

    model, _ = drawer
    assert model.language.config.vocab_size == len(words) + vq.CODES
    row = drawing_row(model, words, scene_of("train", 0), "pt-BR", 36)
    batch = collate([[{"rows": row, "features": model.look(pixels[:1])[0]}]], True, words.pad_token_id)
    embeddings, labels = model.embed(batch)
    codes = model.connector.encode(pixels[:1])[0]
    assert len(codes.unique()) > 8 and (labels[labels != IGNORE] - len(words)).tolist() == codes.tolist()
    assert torch.equal(embeddings[0, -36:], model.language.get_input_embeddings().weight[codes + len(words)] + model.places)
    assert torch.equal(embeddings[0, :-36], model.language.get_input_embeddings()(batch["input_ids"][0, :-36]))


def test_the_picture_tokenizer_gives_held_out_pictures_back():
    """Its codes decode to something nearer to the picture than to any other, with colours and things in place."""
    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import single
    from utils.models.fusions import vq
    from utils.models.pixels import to_pixels

    scene = lambda n, cell: single(("dog", "pizza", "star")[n % 3], ("blue", "white", "green", "red")[n % 4], cell, "yellow" if n % 2 else None)  # noqa: E731
    drawn = lambda cell: torch.stack([to_pixels(render(scene(n, cell))) for n in range(12)])  # noqa: E731
    tokens = vq.PictureTokens()
    told = vq.train(tokens, drawn(0), rounds=3, seed=0)
    held = drawn(3)
    codes = tokens.encode(held)
    back = tokens.decode(codes)
    assert codes.shape == (12, 36) and codes.min() >= 0 and codes.max() < vq.CODES
    assert torch.cdist(back.flatten(1), held.flatten(1)).argmin(1).tolist() == list(range(12))
    assert told < 0.2 and (back - held).square().mean() < 0.2
    assert torch.allclose(back[:, :, :48, :48], held[:, :, :48, :48], atol=1e-4)  # an empty window is its ground


def test_the_tokenizer_keeps_thing_place_and_ground_apart():
    """Where a thing stands in its window changes its box only, and what lies behind it changes the ground only."""
    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import Item, Scene
    from utils.models.fusions import vq
    from utils.models.pixels import to_pixels

    draw = lambda ground, seed: to_pixels(render(Scene(ground, (Item("dog", 0), Item("pizza", 3)), seed)))  # noqa: E731
    pixels = torch.stack([draw("blue", 1), draw("blue", 2), draw("purple", 1)])
    tokens = vq.PictureTokens()
    vq.train(tokens, pixels[:1], rounds=3, seed=0)
    tokens.colours[:3] = vq.analyse(pixels)[0][[0, 4, 8], 0]
    first, moved, purple = tokens.encode(pixels).view(3, 4, 9)
    assert torch.equal(first[:, :8], moved[:, :8])
    assert torch.equal(first[:, 2:], purple[:, 2:]) and not torch.equal(first[:, :2], purple[:, :2])
    assert not torch.equal(first[0, 2:8], first[3, 2:8])


def test_a_code_of_the_wrong_role_still_draws(drawer):
    """The model may write any code anywhere; the picture must hold numbers all the same."""
    from utils.models.fusions import vq

    for code in (0, vq.CODES - 1):
        drawn = drawer[0].connector.decode(torch.full((1, 36), code))
        assert drawn.shape == (1, 3, 96, 96) and drawn.isfinite().all()


def test_code_words_start_as_long_as_words_and_where_their_patches_lie(drawer, pixels):
    """A code word far longer than the words would win every next-token choice."""
    model, facts = drawer
    matrix = model.language.get_input_embeddings().weight.detach()
    usual = matrix[: model.words].norm(dim=-1).mean()
    used = model.connector.encode(pixels).unique()
    assert len(used) == facts["codes_used"] > 1
    assert torch.allclose(matrix[model.words + used].norm(dim=-1), usual.expand(len(used)), rtol=1e-4)
    assert torch.allclose(model.places.norm(dim=-1), usual.expand(36), rtol=1e-4) and len(model.places.unique(dim=0)) == 4
    assert not any(p.requires_grad for p in model.connector.parameters()) and model.places.requires_grad


def test_drawing_yields_codes_only_and_a_text_does_not_feel_its_neighbour(words, drawer):
    from utils.evaluation.fusions import draw_texts, left_padded
    from utils.models.fusions import vq

    model, texts = drawer[0], ["O fundo é azul.", "O fundo é verde e há uma coisa. No canto superior direito há um cachorro."]
    rows = [parts.drawing_prompt(words, text) for text in texts]
    codes, drawn = model.draw(left_padded(rows, words.pad_token_id))
    assert codes.shape == (2, 36) and codes.min() >= 0 and codes.max() < vq.CODES
    assert torch.equal(drawn, draw_texts(model, words, texts))
    for n in (0, 1):
        assert model.draw(left_padded(rows[n : n + 1], words.pad_token_id))[0][0].tolist() == codes[n].tolist()


def test_drawing_picks_the_codes_that_training_would_call_likely(words, drawer):
    """Step by step with a cache, the drawn codes are the most likely ones of a forward pass over text and codes."""
    from utils.evaluation.fusions import left_padded

    model = drawer[0]
    row = parts.drawing_prompt(words, "O fundo é azul.")
    codes = model.draw(left_padded([row], words.pad_token_id))[0][0]
    table = model.language.get_input_embeddings()
    with torch.no_grad():
        whole = torch.cat([table(torch.tensor(row)), table(codes + model.words) + model.places])
        logits = model.language(inputs_embeds=whole[None]).logits[0, len(row) - 1 : -1, model.words :]
    assert logits.argmax(-1).tolist() == codes.tolist()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The swap test needs a model that sees: the shipped base, which answers in English, as type C."""
    model = fusion("projector").build(parts.base_tokenizer(), 0)
    model.connector = parts.shipped(parts.base_tokenizer()).model.multi_modal_projector
    return model.eval()


class Blind:
    """A fusion whose pictures arrive all black: it answers from the words alone."""

    def __init__(self, model):
        self.model = model

    def generate(self, batch, most, **options):
        return self.model.generate(batch | {"pixel_values": torch.zeros_like(batch["pixel_values"])}, most, **options)


def test_the_swap_test_passes_one_that_sees_and_fails_one_whose_picture_is_zeroed(trained, words):
    from utils.evaluation.fusions import score
    from utils.evaluation.scenes_task import questions

    asks = questions("known", 4, ("background", "naming", "total"))
    seen = score(trained, words, 36, asks, "en")["seeing"]
    blind = score(Blind(trained), words, 36, asks, "en")["seeing"]
    assert seen["right"] >= 8 and seen["share"] >= 0.6
    assert blind["share"] < 0.6 and blind["changed"] == 0


@pytest.mark.parametrize("name", ["projector", "one_vocabulary"])
def test_training_writes_a_model_that_opens_again_and_skips_itself(name, tmp_path, words, pixels, monkeypatch):
    from utils.training.fusions import Budget, train_fusion

    monkeypatch.setattr(fusion("one_vocabulary").prepare, "__defaults__", (5,))
    small = Budget(pictures=4, questions=2, batch=2, rounds=1)
    made = train_fusion(name, 0, folder=tmp_path / name, budget=small)
    assert made["steps"] == 2 and made["parameters"]["trained"] < made["parameters"]["all"]
    assert not (tmp_path / name / "checkpoints").exists()
    model, _ = open_fusion(name, tmp_path / name)
    start = fusion(name).build(words, 0)
    same = {n for n, p in start.named_parameters() if torch.equal(p, model.get_parameter(n))}
    assert all(n in same for n, _ in start.named_parameters() if n.startswith("vision_tower"))
    assert "language.model.layers.0.mlp.up_proj.weight" not in same
    again = train_fusion(name, 0, folder=tmp_path / name, budget=small)
    assert again["finished"] == made["finished"] and again["cpu_seconds"] == made["cpu_seconds"]
    with pytest.raises(UserError, match="does not hold this fusion"):
        open_fusion("state_space", tmp_path / name)


def test_a_trained_fusion_is_scored_once_and_again_when_its_weights_change(tmp_path):
    from utils.evaluation.fusions import evaluate_fusion
    from utils.training.fusions import Budget, train_fusion

    small, folder = Budget(pictures=4, questions=2, batch=2, rounds=1), tmp_path / "projector"
    train_fusion("projector", 0, folder=folder, budget=small)
    found = evaluate_fusion("projector", folder, per_type=1)
    rows = {row["type"]: row for row in found["table"]}
    assert rows["all"]["total"] == len(rows) - 1 == len(small.types) and 0 <= rows["all"]["right"] <= rows["all"]["total"]
    assert found["seeing"]["right"] <= rows["all"]["total"] and "drawing" not in found
    assert found["answer_seconds"] > 0
    kept = folder / "scores" / "known" / "result.json"
    stamp = kept.stat().st_mtime_ns
    assert evaluate_fusion("projector", folder, per_type=1) == found and kept.stat().st_mtime_ns == stamp
    train_fusion("projector", 1, folder=folder, budget=small)
    evaluate_fusion("projector", folder, per_type=1)
    assert kept.stat().st_mtime_ns != stamp


def test_a_killed_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from utils.training import fusions as training
    from utils.training.fusions import Budget, train_fusion

    small = Budget(pictures=6, questions=1, batch=2, rounds=1)
    train_fusion("projector", 0, folder=tmp_path / "whole", budget=small)
    item, asked = training.Rows.__getitem__, []

    def dies(self, place):
        asked.append(place)
        if place == 4 and len(asked) < 10:
            raise KeyboardInterrupt
        return item(self, place)

    monkeypatch.setattr(training.Rows, "__getitem__", dies)
    with pytest.raises(KeyboardInterrupt):
        train_fusion("projector", 0, folder=tmp_path / "killed", budget=small)
    monkeypatch.setattr(training.Rows, "__getitem__", item)
    train_fusion("projector", 0, folder=tmp_path / "killed", budget=small)
    whole, killed = (load_file(tmp_path / name / parts.WEIGHTS) for name in ("whole", "killed"))
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


def test_a_share_takes_fewer_pictures_and_steps():
    from utils.training.fusions import Budget

    full = Budget(pictures=800, batch=8, rounds=2)
    assert (full.share(0.25).pictures, full.share(0.25).steps, full.steps) == (200, 50, 200)
    with pytest.raises(UserError, match="between 0 and 1"):
        full.share(0.0)


def test_the_classifier_counts_things_in_their_cells():
    from utils.corpus.scenes.words import KINDS
    from utils.corpus.scenes.world import Item, Scene
    from utils.evaluation.fusions import cells_of, kinds_of, recognised

    pixels = torch.zeros(1, 3, 96, 96)
    pixels[:, :, 48:, :48] = 1.0
    assert cells_of(pixels).flatten(1).mean(1).tolist() == [0, 0, 1, 0]
    scene = Scene("blue", (Item("dog", 0), Item("cat", 2)), 0)
    keys = [kind.key for kind in KINDS]
    assert kinds_of([scene]).tolist() == [keys.index("dog"), len(keys), keys.index("cat"), len(keys)]
    cat_where_white = lambda cells: torch.nn.functional.one_hot((cells.flatten(1).mean(1) > 0) * keys.index("cat"), len(keys) + 1).float()  # noqa: E731
    assert recognised(cat_where_white, pixels, [scene])["right"] == 1 + (keys.index("dog") == 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_shows_the_real_modules(name, built):
    from utils.models.fusions.draw import boxes, figure

    model = built[name]
    found = boxes(model)
    parts_of_language = sum(box.parameters for box in found["language"])
    core = sum(p.numel() for p in model.language.base_model.parameters())
    assert core - parts_of_language < 1000  # the rest is the last norm
    own = {box.path.rpartition(".")[2] for box in found["layer"] if box.new}
    assert own == {"cross_attention": {"gated"}, "visual_expert": {"expert"}, "state_space": {"mixer"}}.get(name, set())
    assert fusion(name).TITLE in figure(model, fusion(name)).axes[0].get_title(loc="left")


@pytest.mark.parametrize("name", NAMES)
def test_the_cost_of_an_answer(name, built, words):
    from utils.taxonomy.measure import cost

    spent, without = cost(name, built[name], words), cost("cross_attention", built["cross_attention"], words)
    assert spent.sequence - without.sequence == fusion(name).SLOTS
    assert spent.parameters > spent.trained > 1_000_000 and spent.flops > 2 * 36 * 800_000  # the tower alone
    idle = 0 if built[name].tower_looks else sum(p.numel() for p in built[name].vision_tower.parameters())
    assert spent.parameters == sum(p.numel() for p in built[name].parameters()) - idle


@pytest.mark.parametrize("name", NAMES)
def test_only_an_idle_tower_is_said_to_be_idle(name, words, pixels):
    """With its tower's weights changed a fusion reads another picture; type D, whose tokenizer reads pixels, the same one."""
    model = fusion(name).build(words, seed=1).eval()
    if name == "cross_attention":
        torch.nn.init.constant_(model.language.model.layers[0].gated.alpha_cross_attn, 0.5)
    batch = batch_of(words, name, TURNS[0], pixels[:2])
    with torch.no_grad():
        before = model(**batch).item()
        model.vision_tower.embeddings.patch_embedding.weight.mul_(-1)
        after = model(**batch).item()
    assert (before != after) == model.tower_looks


def test_every_fusion_has_its_cost_in_the_order_of_the_types():
    from utils.taxonomy.measure import costs, rows

    found = costs()
    told = rows(found)
    assert [row["type"] for row in told] == sorted(row["type"] for row in told) and set(found) == set(fusions())
    assert f"{found['projector'].parameters:,}" in [row["parameters"] for row in told]
