"""Small AdMIRe files of the published layout, with pictures: compounds and sentences are invented, none is of the real data."""

import csv
from pathlib import Path

from PIL import Image, ImageDraw

SENTENCES = {  # compound -> sentence by type
    "bolo de rolo": ("A avó cortou o bolo de rolo em fatias finas.", "A conversa dele foi um bolo de rolo sem fim."),
    "chapéu cantor": ("O chapéu cantor da loja toca uma música.", "O meu tio é um chapéu cantor nas festas."),
    "janela mansa": ("Ela abriu a janela mansa do quarto.", "Aquele chefe é uma janela mansa."),
    "relógio azedo": ("O relógio azedo caiu no suco de limão.", "Hoje a professora está um relógio azedo."),
    "sapato lento": ("O sapato lento ficou preso na lama.", "O trânsito é um sapato lento às seis."),
    "tijolo alegre": ("Pintaram um tijolo alegre na parede.", "A turma nova é um tijolo alegre."),
}


def names(number: int, count: int = 5) -> list[str]:
    """File names as in the data: eleven digits, sorted, the first with a leading zero."""
    return sorted(
        f"{(7919 * number + 104729 * k + 1) % 10**8 if k == 0 else 31_000_000_000 + 7919 * number + 104729 * k:011d}.png" for k in range(count)
    )


def roles(number: int) -> dict[str, str]:
    """Role -> name: i and j show the idiom (strongest first), l and m the literal thing, d distracts; places differ by item."""
    shown = names(number)
    return {role: shown[(place + number) % 5] for place, role in enumerate("iljmd")}


def order(number: int, sense: str) -> list[str]:
    return [roles(number)[role] for role in ("ijmld" if sense == "idiomatic" else "lmjid")]


def a_rows(subset: str = "Test", flipped: bool = False) -> list[dict[str, str]]:
    """Six items of part A, literal and idiomatic in turn; flipped, as in the extended set, each in the other sense."""
    rows = []
    for number, (compound, sentences) in enumerate(SENTENCES.items()):
        sense = ("literal", "idiomatic")[(number + flipped) % 2]
        row = {"compound": compound, "subset": subset, "sentence_type": sense, "sentence": sentences[sense == "idiomatic"]}
        row["expected_order"] = repr(order(number, sense))
        shows = {name: role for role, name in roles(number).items()}
        for n, name in enumerate(names(number), start=1):
            row |= {f"image{n}_name": name, f"image{n}_caption": f"role {shows[name]} of {number}", f"image{n}_caption_pt": f"papel {shows[name]}"}
        rows.append(row)
    return rows


def b_rows() -> list[dict[str, str]]:
    rows = []
    for number, compound in enumerate(["paper kettle", "sleepy hammer", "velvet ladder"]):
        row = {"compound": compound, "subset": "Train", "sentence_type": ("literal", "idiomatic", "literal")[number]}
        row |= {"expected_item": names(number, 4)[number], "sequence_caption1": f"A {compound}.", "sequence_caption2": "A hand takes it."}
        for n, name in enumerate(names(number, 4), start=1):
            row |= {f"image{n}_name": name, f"image{n}_caption": f"picture {n}"}
        rows.append(row)
    return rows


def write_tsv(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def draw(folder: Path, rows: list[dict[str, str]], sequence: bool = False) -> Path:
    """A small picture for every file name of the rows, each of another colour, in `folder/<compound>/`."""
    for number, row in enumerate(rows):
        (folder / row["compound"]).mkdir(parents=True, exist_ok=True)
        shown = [row[key] for key in row if key.startswith("image") and key.endswith("_name")]
        for place, name in enumerate(shown + ["s1.png", "s2.png"] * sequence):
            picture = Image.new("RGB", (32, 32), (40 * place % 256, 40 * number % 256, 90))
            ImageDraw.Draw(picture).ellipse((4, 4, 12 + 3 * place, 28), fill=(250, 40 * place % 256, 10))
            picture.save(folder / row["compound"] / name)
    return folder
