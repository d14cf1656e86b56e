"""PDF pages read by Tesseract, as rows for the `plain` prompts: the documents of LLaVA-NDiNO's language adaptation.

10k pages of MultiEURLEX (Chalkidis et al. 2021, arXiv 2109.00904) read with Tesseract are reported (Musacchio et al. 2024, CEUR-WS
Vol-3877, paper 9); which pages of a document, at what resolution and after which filter is not told: first pages, 150 dpi, assumed.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.ndino.pages import plain_row
from utils.corpus.texts import text_problems
from utils.runs import UserError, text_hash

DPI = 150
FIRST = 3  # pages read of each document
LEAST = 40  # characters of a page worth learning
LARGEST = 12_000_000  # pixels of one page; a wall poster is drawn smaller
PATIENCE = 120  # seconds for one page
CODES = {"pt": "por", "it": "ita", "en": "eng", "es": "spa", "fr": "fra", "de": "deu", "nl": "nld", "ro": "ron"}  # Tesseract's names
LINE = 34  # letters a line of the pages that are written here


@dataclass
class Report:
    """What was read and what was left: documents, pages, and a sentence for each document or page that gave nothing."""

    documents: int = 0
    pages: int = 0
    kept: int = 0
    pages_left: int = 0  # behind the first pages of long documents
    skipped: list[dict] = field(default_factory=list)  # {"file", "page", "why"}
    no_reader: str = ""  # why no page could be read at all

    def skip(self, file: str, page: int | None, why: str) -> None:
        self.skipped.append({"file": file, "page": page, "why": why})


def reader_version() -> str:
    """Tesseract's version, "" where the program is not found: what it reads depends on it."""
    try:
        told = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (told.stdout or told.stderr).partition("\n")[0].strip()


def reader_missing(language: str) -> str:
    """Why Tesseract cannot read a language here, in one sentence; "" when it can."""
    code = CODES.get(language.partition("-")[0])
    if code is None:
        return f"no Tesseract data is known for {language!r}, so no document is read; add its name to documents.CODES"
    if shutil.which("tesseract") is None:
        return f"the program tesseract was not found, so no document is read; install tesseract-ocr and tesseract-ocr-{code}"
    try:
        told = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the program tesseract does not answer ({type(error).__name__}), so no document is read; install tesseract-ocr again"
    if code not in (told.stdout + told.stderr).split():
        return f"tesseract has no data for {code!r}, so no document is read; install tesseract-ocr-{code}"
    return ""


def read_page(picture: Path, language: str) -> str:
    """The text of a page's picture, paragraphs apart, lines of a paragraph joined; raises UserError when Tesseract fails or hangs."""
    command = ["tesseract", str(picture), "stdout", "-l", CODES[language.partition("-")[0]]]
    try:
        # One thread: Tesseract's own four fight with each other on small pages.
        told = subprocess.run(command, capture_output=True, timeout=PATIENCE, env={**os.environ, "OMP_THREAD_LIMIT": "1"})
    except subprocess.TimeoutExpired as error:
        raise UserError(f"tesseract took over {PATIENCE} s for {picture}; leave that page out") from error
    except OSError as error:
        raise UserError(f"tesseract could not be run ({error.strerror}); install tesseract-ocr") from error
    if told.returncode:
        why = told.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason told"]
        raise UserError(f"tesseract failed on {picture} ({why[0][:120]}); leave that page out")
    return _paragraphs(told.stdout.decode("utf-8", "replace"))


def _paragraphs(read: str) -> str:
    """Tesseract's lines as paragraphs: a word cut at a line's end is whole again, and no paragraph begins with a small letter.

    On ragged margins Tesseract sees a new paragraph in the middle of a sentence.
    """
    joined = re.sub(r"(?<=[^\W\d_])-\n(?=[a-zà-ÿ])", "", read.replace("\f", "\n\n"))
    joined = re.sub(r"\s*\n\s*\n\s*(?=[a-zà-ÿ])", " ", joined)
    return "\n\n".join(filter(None, (" ".join(part.split()) for part in re.split(r"\n\s*\n", joined))))


def open_pdf(pdf: Path):
    """A PDF as pypdfium2 has it, to be closed; raises UserError: not readable, empty, encrypted, broken."""
    import pypdfium2

    try:
        if Path(pdf).stat().st_size == 0:
            raise UserError(f"{pdf} is empty (0 bytes); download it again")
        return pypdfium2.PdfDocument(str(pdf))
    except OSError as error:
        raise UserError(f"{pdf} cannot be read ({error.strerror}); check the path and its rights") from error
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise UserError(f"{pdf} is encrypted; leave it out or unlock it" if locked else f"{pdf} is no sound PDF; download it again") from error


def draw_page(document, number: int, dpi: int = DPI) -> Image.Image:
    """A page, counted from 0, as an RGB picture of at most LARGEST pixels; raises UserError where it does not draw."""
    import pypdfium2

    try:
        with contextlib.closing(document[number]) as page:
            scale, (width, height) = dpi / 72, page.get_size()
            scale *= min(1.0, (LARGEST / max(1.0, width * height * scale**2)) ** 0.5)
            return page.render(scale=scale).to_pil().convert("RGB")
    except (pypdfium2.PdfiumError, ValueError, MemoryError) as error:
        raise UserError(f"page {number + 1} does not draw ({error}); leave it out") from error


def find_pdfs(folder: Path) -> list[Path]:
    """The folder's PDFs, in order; raises UserError where there is no such folder."""
    if not Path(folder).is_dir():
        raise UserError(f"{folder} is no folder; name the folder of the PDFs")
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() == ".pdf" and path.is_file())


def document_rows(
    folder: Path, images: Path, language: str, report: Report, first: int = FIRST, limit: int | None = None, dpi: int = DPI
) -> Iterator[dict]:
    """Rows of the PDFs under `folder`, a page each, pictures written to `images/documents/`; fills `report`.

    Without Tesseract there are no rows, and the report says why. No document stops the run: what is wrong with it is in the report.
    """
    paths = find_pdfs(folder)
    report.no_reader = reader_missing(language)
    if report.no_reader:
        report.documents = len(paths)
        return
    (Path(images) / "documents").mkdir(parents=True, exist_ok=True)
    for path in paths:
        if limit is not None and report.kept >= limit:
            return
        report.documents += 1
        name = path.relative_to(folder).as_posix()
        try:
            yield from _rows_of(path, name, images, language, report, first, limit, dpi)
        except UserError as error:
            report.skip(name, None, str(error))


def _rows_of(path: Path, name: str, images: Path, language: str, report: Report, first: int, limit: int | None, dpi: int) -> Iterator[dict]:
    # The PDF's name, made safe for any disk, and a few digits that keep two of one name apart.
    stem = re.sub(r"[^\w.-]+", "_", name)[:60] + "-" + text_hash(name)[:6]
    with contextlib.closing(open_pdf(path)) as document:
        if not len(document):
            raise UserError(f"{path} has no page; leave it out")
        report.pages_left += max(0, len(document) - first)
        for number in range(min(first, len(document))):
            if limit is not None and report.kept >= limit:
                return
            report.pages += 1
            place = f"documents/{stem}-{number + 1:04d}.png"
            try:
                draw_page(document, number, dpi).save(Path(images) / place)
                text = read_page(Path(images) / place, language)
                flaw = "too little text" if len(text) < LEAST else next((told for told, _ in text_problems(text)), "")
                if IMAGE_TOKEN in text:
                    flaw = f"the text holds {IMAGE_TOKEN}"
            except UserError as error:
                flaw = str(error)
            if flaw:
                report.skip(name, number + 1, flaw)
                (Path(images) / place).unlink(missing_ok=True)
                continue
            report.kept += 1
            yield plain_row(f"{stem}-{number + 1:04d}", place, text, language, "documents")


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: it has every accent, and no machine lacks it here."""
    found = importlib.util.find_spec("matplotlib")
    return ImageFont.truetype(str(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def write_pdf(path: Path, pages: Sequence[str]) -> None:
    """A PDF whose pages are pictures of these texts, as scanned pages are: 105 × 148 mm at DPI, black on white."""
    size, font, drawn = (round(105 / 25.4 * DPI), round(148 / 25.4 * DPI)), _font(26), []
    for text in pages:
        page = Image.new("L", size, "white")
        wrapped = "\n\n".join(textwrap.fill(paragraph, LINE) for paragraph in text.split("\n\n"))
        ImageDraw.Draw(page).multiline_text((40, 40), wrapped, fill="black", font=font, spacing=8)
        drawn.append(page)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    drawn[0].save(path, format="PDF", save_all=True, append_images=drawn[1:], resolution=DPI)
