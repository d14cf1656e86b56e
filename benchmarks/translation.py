"""What the memory and the cutting save: engine characters of five files together against turn by turn."""

import tempfile
from pathlib import Path

from utils.corpus.scenes.instruct import FILES, write_corpus
from utils.translation.pipeline import translate_files


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_corpus(place / "en", 300)
        first = translate_files([place / "en" / n for n in FILES], place / "a", "pt-BR", memory_path=place / "m.sqlite")
        second = translate_files([place / "en" / n for n in FILES], place / "b", "pt-BR", memory_path=place / "m.sqlite")
    how = "300 pictures, five files, Bergamot, one run"
    ratio = first["characters_alone"] / first["characters_sent"]
    return [
        {"measure": "engine characters, turn by turn over together", "value": ratio, "unit": "×", "target": 2.2, "meets": ratio >= 2.2, "how": how},
        {
            "measure": "characters sent again by a second run",
            "value": second["characters_sent"],
            "unit": "",
            "target": None,
            "meets": None,
            "how": how,
        },
    ]
