"""Small translation models of the real classes, taught eight sentences, and a hub on this machine that serves them."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

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


def shell(folder, family, **options):
    """A folder with configuration and tokenizer, without weights."""
    folder.mkdir()
    work = folder.parent / f"{folder.name}-work"
    work.mkdir()
    tokenizer = globals()[f"{family}_tokenizer"](work, **options)
    config_of(family, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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
