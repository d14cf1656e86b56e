"""The rating form for a notebook: one item at a time, every click on disk at once, by mouse or by keyboard.

Widgets of a notebook have no key events of their own. Keys are therefore read as they arrive in a text field: that needs no further package
and no JavaScript, screen readers know it, and the notebook's own shortcuts are off while the field has the focus.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from utils.review import form_desk
from utils.review import ratings as files
from utils.review.form_desk import Desk
from utils.review.form_words import WORDS, fold_html, head_html, rubric_html
from utils.review.rubric import CRITERIA, ERRORS
from utils.review.sampling import LETTERS, read_review
from utils.runs import UserError


def form(folder: Path, rater: str, picture_size: int = 288, tongue: str = "pt"):
    """The form as a widget to show in a notebook; it opens at the first item that is not complete.

    `picture_size` is the width in pixels; `tongue` is the language of the form, "pt" or "en". Ratings go to the review's folder `ratings`.
    Raises UserError: no sound review in `folder`, a picture is missing, the rater's own file is damaged, or another tongue.
    """
    if tongue not in WORDS:
        raise UserError(f"the form does not speak {tongue!r}; use one of: {', '.join(WORDS)}")
    folder, review = Path(folder), read_review(folder)
    missing = [item["picture"] for item in review["items"] if not (folder / item["picture"]).is_file()]
    if missing:
        raise UserError(f"{folder} lacks {len(missing)} pictures, the first is {missing[0]}; write the review again")
    path = files.rating_path(folder, rater)
    rated = files.read_ratings(path, review).ratings if path.exists() else {}
    desk = Desk(review, folder, path, files.rater_name(rater), tongue, picture_size, rated)
    shown = _build(desk)
    desk.place = form_desk.first_incomplete(desk)
    form_desk.fill(desk)
    return shown


def _build(desk: Desk):
    """All widgets, made once: items change their values, so that the focus stays where the rater has it."""
    import ipywidgets as w

    words, wrap = desk.words, w.Layout(flex_flow="row wrap", width="100%")
    desk.panels = [_panel(desk, number) for number in range(max(len(item["answers"]) for item in desk.review["items"]))]
    parts = desk.parts = SimpleNamespace(
        progress=w.IntProgress(max=len(desk.review["items"]), layout=w.Layout(width="98%")), status=w.HTML(), picture=w.HTML(),
        question=w.HTML(),
        best=w.ToggleButtons(description=words["best"], style={"description_width": "130px", "button_width": "auto"}, layout=w.Layout(width="98%")),
        keys=w.Text(description=words["keys"], placeholder=words["keys_hint"], layout=w.Layout(width="96%")), hint=w.HTML(), message=w.HTML(),
    )  # fmt: skip
    parts.best.add_class("widget-inline-hbox")
    parts.best.observe(lambda change: form_desk.changed(desk, "best"), names="value")
    parts.keys.observe(lambda change: form_desk.typed(desk, change["new"]), names="value")
    buttons = [
        _button(words["previous"], lambda: form_desk.go(desk, desk.place - 1)),
        _button(words["next"], lambda: form_desk.go(desk, desk.place + 1)),
        _button(words["resume"], lambda: form_desk.go(desk, form_desk.first_incomplete(desk))),
        _button(words["undo"], lambda: form_desk.undo(desk)),
    ]
    head = w.HTML(head_html(desk.review["title"], words["rater"], desk.rater))
    below = w.HTML(fold_html(words["rubric"], rubric_html(desk.tongue)) + fold_html(words["help"], words["help_text"]))
    # Keys, hint and buttons stand beside the picture, so that picture, question and answers stay in sight while rating.
    side = w.VBox([parts.question, parts.keys, parts.hint, w.HBox(buttons, layout=wrap), parts.message])
    side.layout = w.Layout(flex="1 1 280px", min_width="0", padding="0 0 0 12px")
    top = w.HBox([parts.picture, side], layout=wrap)
    return w.VBox([head, parts.progress, parts.status, top, w.HBox([panel.box for panel in desk.panels], layout=wrap), parts.best, below])


def _button(label: str, act: Callable[[], None]):
    import ipywidgets as w

    button = w.Button(description=label, layout=w.Layout(width="auto"))
    button.on_click(lambda _: act())
    return button


def _panel(desk: Desk, number: int) -> SimpleNamespace:
    """The widgets of one answer: its text, a row of levels per criterion, error types, a remark."""
    import ipywidgets as w

    words, tongue, name = desk.words, desk.tongue, f"{desk.words['answer']} {LETTERS[number].upper()}"
    panel = SimpleNamespace(name=name, text=w.HTML(), scores={}, errors={})
    for one in CRITERIA:
        row = panel.scores[one.key] = w.ToggleButtons(
            options=[(str(value), value) for value, _ in one.levels], value=None, description=one.names[tongue],
            tooltips=[f"{name}, {one.names[tongue]} {value}: {text[tongue]}" for value, text in one.levels],
            style={"description_width": "210px", "button_width": "44px"}, layout=w.Layout(width="98%", margin="2px"),
        )  # fmt: skip
        row.add_class("widget-inline-hbox")  # the name beside its buttons, not above them: half the height
        row.observe(lambda change, key=one.key: form_desk.changed(desk, f"{number} {key}"), names="value")
    for one in ERRORS:
        tip = f"{name}: {one.meaning[tongue]}"
        button = panel.errors[one.key] = w.ToggleButton(description=one.names[tongue], tooltip=tip, layout=w.Layout(width="auto"))
        button.observe(lambda change: form_desk.changed(desk, "errors"), names="value")
    panel.remark = w.Textarea(description=words["remark"], placeholder=words["remark_hint"], rows=2, layout=w.Layout(width="98%"))
    panel.remark.observe(lambda change: form_desk.changed(desk, f"{number} remark"), names="value")
    errors = w.HBox(list(panel.errors.values()), layout=w.Layout(flex_flow="row wrap"))
    rows = [panel.text, *panel.scores.values(), w.HTML(words["errors"]), errors, panel.remark]
    panel.box = w.VBox(rows, layout=w.Layout(flex="1 1 400px", min_width="300px", max_width="100%", padding="0 8px 8px 0"))
    return panel
