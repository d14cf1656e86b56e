"""What happens at the rating form: show an item, save a click, read keys, move on, undo."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from utils.review import ratings as files
from utils.review.form_words import WORDS, picture_html, status_html, text_html
from utils.review.rubric import CRITERIA
from utils.review.sampling import LETTERS
from utils.runs import UserError

LONGEST_PAUSE = 300.0  # seconds; a rater who was away longer did not look at the item all that time
BEST_KEYS = "abcdefgh"  # the letters after them have other uses
LONGEST_TYPED = 200  # characters in the key field before it is emptied
KEYS = [one.key for one in CRITERIA]


@dataclass
class Desk:
    """What one open form holds: the review, what is rated, where the rater is, and the widgets (`parts`, `panels`)."""

    review: dict
    folder: Path
    path: Path
    rater: str
    tongue: str
    picture_size: int
    ratings: dict[str, dict]
    place: int = 0
    focus: int = 0  # which criterion the next digit rates, counted over all answers of the item
    since: float = 0.0
    history: list[tuple[files.Change, str]] = field(default_factory=list)  # each save and the control that made it
    loading: bool = False
    unsaved: bool = False
    typed: str = ""
    emptied: str = ""
    parts: SimpleNamespace = field(default_factory=SimpleNamespace)
    panels: list[SimpleNamespace] = field(default_factory=list)

    @property
    def item(self) -> dict:
        return self.review["items"][self.place]

    @property
    def words(self) -> dict[str, str]:
        return WORDS[self.tongue]

    @property
    def shown(self) -> list[tuple[dict, SimpleNamespace]]:
        """(answer, its panel) of the item on show."""
        return list(zip(self.item["answers"], self.panels, strict=False))


def first_incomplete(desk: Desk) -> int:
    """Where to go on: the first item that is not rated in full, the last item when all are."""
    items = desk.review["items"]
    return next((n for n, item in enumerate(items) if not files.complete(item, desk.ratings.get(item["id"]))), len(items) - 1)


def fill(desk: Desk) -> None:
    """Put the item on show into the widgets, as it is rated on disk."""
    item, parts, words = desk.item, desk.parts, desk.words
    rating = desk.ratings.get(item["id"]) or {"best": None, "answers": {}}
    alt = words["picture"].format(here=desk.place + 1, all=len(desk.review["items"]))
    desk.loading = True
    parts.picture.value = picture_html((desk.folder / item["picture"]).read_bytes(), alt, desk.picture_size)
    parts.question.value = text_html(item["question"], desk.review["language"], words["question"])
    named = [(f"{words['answer']} {LETTERS[n].upper()}", answer["id"]) for n, answer in enumerate(item["answers"])]
    parts.best.options = [*named, (words["tie"], "tie"), (words["none"], "none")]
    parts.best.value = rating["best"]
    parts.best.layout.display = None if len(item["answers"]) > 1 else "none"
    for panel in desk.panels[len(item["answers"]) :]:
        panel.box.layout.display = "none"
    for answer, panel in desk.shown:
        said = rating["answers"].get(answer["id"], {"scores": {}, "errors": [], "remark": ""})
        panel.box.layout.display = None
        panel.text.value = text_html(answer["text"] or words["empty"], desk.review["language"], panel.name)
        panel.remark.value = said["remark"]
        for key, row in panel.scores.items():
            row.value = said["scores"].get(key)
        for key, button in panel.errors.items():
            button.value = key in said["errors"]
    desk.loading, desk.since, desk.focus = False, time.monotonic(), _next_focus(desk, -1)
    tell(desk)


def _slots(desk: Desk) -> list[tuple[SimpleNamespace, str]]:
    return [(panel, key) for _, panel in desk.shown for key in KEYS]


def _next_focus(desk: Desk, after: int) -> int:
    """The next criterion without a score, going round; one past the last when all have one."""
    slots = _slots(desk)
    order = [*range(after + 1, len(slots)), *range(after + 1)]
    return next((n for n in order if slots[n][0].scores[slots[n][1]].value is None), len(slots))


def tell(desk: Desk, message: str = "", alarm: bool = False) -> None:
    """Say how far the review is, what the item lacks, what the next key does, and `message`."""
    items, words, parts = desk.review["items"], desk.words, desk.parts
    done = sum(files.complete(item, desk.ratings.get(item["id"])) for item in items)
    missing = [f"{panel.name}, {_name(desk, key)}" for panel, key in _slots(desk) if panel.scores[key].value is None]
    missing += [words["best"]] if len(desk.item["answers"]) > 1 and parts.best.value is None else []
    more = f" (+{len(missing) - 1})" if len(missing) > 1 else ""
    state = words["incomplete"].format(missing=missing[0] + more) if missing else words["complete"]
    saved = "" if desk.item["id"] not in desk.ratings else f" · {words['saved']}"
    parts.progress.value = done
    line = words["progress"].format(done=done, all=len(items), here=desk.place + 1, state=state) + saved
    parts.status.value = status_html(f"{words['all_rated']} {line}" if done == len(items) else line)
    parts.hint.value = status_html(_hint(desk, bool(missing)))
    parts.message.value = status_html(message, alarm) if message else ""


def _name(desk: Desk, key: str) -> str:
    return CRITERIA[KEYS.index(key)].names[desk.tongue]


def _hint(desk: Desk, incomplete: bool) -> str:
    slots = _slots(desk)
    if desk.focus < len(slots):
        panel, key = slots[desk.focus]
        levels = " ".join(f"{value}: {text[desk.tongue]}" for value, text in CRITERIA[KEYS.index(key)].levels)
        return f"{desk.words['focus']}: {panel.name}, {_name(desk, key)}. {levels}"
    return desk.words["choose"].format(keys=", ".join(BEST_KEYS[: len(desk.item["answers"])])) if incomplete else desk.words["finished"]


def _collected(desk: Desk) -> dict | None:
    """The item's rating as the widgets show it; None when nothing is set."""
    answers = {}
    for answer, panel in desk.shown:
        scores = {key: row.value for key, row in panel.scores.items() if row.value is not None}
        errors = [key for key, button in panel.errors.items() if button.value]
        if scores or errors or panel.remark.value:
            answers[answer["id"]] = {"scores": scores, "errors": errors, "remark": panel.remark.value}
    if not answers and desk.parts.best.value is None:
        return None
    before = desk.ratings.get(desk.item["id"], {"seconds": 0})["seconds"]
    spent, desk.since = min(time.monotonic() - desk.since, LONGEST_PAUSE), time.monotonic()
    return {"best": desk.parts.best.value, "answers": answers, "at": files.now(), "seconds": round(before + spent, 1)}


def changed(desk: Desk, control: str) -> None:
    """A control was used: save the item. Letters typed one after another into one remark count as one step for undo."""
    if desk.loading:
        return
    rating, item = _collected(desk), desk.item["id"]
    try:
        change = files.save_rating(desk.path, desk.review, desk.rater, item, rating)
    except UserError as error:
        desk.unsaved = True
        tell(desk, f"{desk.words['unsaved']}: {error}", alarm=True)
        return
    desk.unsaved = False
    typing = control.endswith("remark") and desk.history and desk.history[-1][1] == control and desk.history[-1][0].item == item
    if not typing:
        desk.history.append((change, control))
    _keep(desk, item, rating)
    place, key = control.split() if " " in control else (None, None)
    if key in KEYS:
        desk.focus = _next_focus(desk, int(place) * len(KEYS) + KEYS.index(key))
    tell(desk)


def _keep(desk: Desk, item: str, rating: dict | None) -> None:
    desk.ratings.pop(item, None)
    if rating is not None:
        desk.ratings[item] = rating


def go(desk: Desk, place: int) -> None:
    """Show another item; one that could not be saved is tried again first, and kept on show while it fails."""
    if desk.unsaved:
        changed(desk, "again")
    if not desk.unsaved:
        desk.place = min(max(place, 0), len(desk.review["items"]) - 1)
        fill(desk)


def undo(desk: Desk) -> None:
    """Take the last step back and show its item."""
    if desk.unsaved:
        desk.unsaved = False  # what never reached the disk is the last step
        fill(desk)
        return
    if not desk.history:
        tell(desk, desk.words["nothing"])
        return
    change, _ = desk.history[-1]
    try:
        files.undo(desk.path, desk.review, desk.rater, change)
    except UserError as error:
        tell(desk, f"{desk.words['unsaved']}: {error}", alarm=True)
        return
    desk.history.pop()
    _keep(desk, change.item, change.before)
    desk.place = [item["id"] for item in desk.review["items"]].index(change.item)
    fill(desk)


def typed(desk: Desk, text: str) -> None:
    """Keys as they arrive in the key field: only what is new counts.

    A key may be on its way while the field is emptied; then the old text comes back once with the new key behind it.
    """
    if desk.loading:
        return
    known = desk.emptied if desk.emptied and text.startswith(desk.emptied) else desk.typed
    new = text[len(known) :] if text.startswith(known) else ""
    desk.typed, desk.emptied = text, ""
    for key in new.lower():
        press(desk, key)
    if len(desk.typed) > LONGEST_TYPED:
        desk.emptied, desk.typed, desk.loading = desk.typed, "", True
        desk.parts.keys.value = ""
        desk.loading = False


def press(desk: Desk, key: str) -> None:
    """What one key does; keys without a meaning do nothing."""
    answers, slots = desk.item["answers"], _slots(desk)
    best = {**dict(zip(BEST_KEYS, (answer["id"] for answer in answers), strict=False)), "=": "tie", "-": "none"}
    if key in "012" and desk.focus < len(slots):
        panel, criterion = slots[desk.focus]
        if panel.scores[criterion].value == int(key):  # the same again changes nothing, so that no event moves the focus
            desk.focus = _next_focus(desk, desk.focus)
            tell(desk)
        panel.scores[criterion].value = int(key)
    elif key in best and len(answers) > 1:
        desk.parts.best.value = best[key]
    elif key in "jk":
        desk.focus = (min(desk.focus, len(slots) - 1) + (1 if key == "j" else -1)) % len(slots)
        tell(desk)
    elif key in "npru":
        {"n": lambda: go(desk, desk.place + 1), "p": lambda: go(desk, desk.place - 1), "r": lambda: go(desk, first_incomplete(desk)),
         "u": lambda: undo(desk)}[key]()  # fmt: skip
