"""Share a trained model: export it together with the cards that say what it is, and ask it through the served page."""

import json
import threading
import urllib.parse
import urllib.request
from pathlib import Path

from utils.serving.cards import write_cards
from utils.serving.export import export_model
from utils.serving.server import open_server
from utils.training.recipes import provenance, recipe
from utils.training.systems import SYSTEMS


def export_with_cards(model: Path, out: Path, dtype: str = "") -> Path:
    """Write a model of ours as plain transformers reads it, with README.md and DATA_CARD.md; returns the folder.

    The course's folder, with manifests and evaluations, is the one three levels above the model, as training lays it out.
    """
    model = Path(model).resolve()
    out = export_model(model, out, dtype)
    write_cards(model.parents[2], model, out, {name: provenance(recipe(name)) for name in SYSTEMS})
    return out


def through_the_page(models: dict[str, Path], picture: Path, question: str, language: str) -> list[dict[str, str]]:
    """Serve models on a free port of this machine, ask one question as a browser would, and stop; returns the answers."""
    server = open_server(models, port=0, language=language)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/ask?question={urllib.parse.quote(question)}"
        request = urllib.request.Request(address, data=Path(picture).read_bytes(), headers={"Content-Type": "image/png"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            return json.load(reply)["answers"]
    finally:
        server.shutdown()
        server.server_close()
        server.desk.worker.shutdown()
