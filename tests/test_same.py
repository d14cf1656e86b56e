"""Two journeys beside each other: seconds and dates may differ, nothing else may."""

import nbformat
import pytest

from utils import runs
from utils.__main__ import main

TABLE = (
    "<table><thead><tr><th>model</th><th>right</th><th>seconds per 100 answers</th></tr></thead>"
    "<tbody><tr><th>MLP</th><td>{right} %</td><td>{took}</td></tr><tr><th>CPU s</th><td>7</td><td>1</td></tr></tbody></table>"
)


def journey(
    folder,
    right=70,
    took="3.3",
    day="2026-11-22",
    drawn="AAAA",
    said="40 s, 0.9 min left, the course's 3 pictures",
    weights=b"w",
    names=("00_a", "01_b"),
):
    for name in names:
        cells = [
            nbformat.v4.new_output("stream", text=f"{said}\n"),
            nbformat.v4.new_output("display_data", {"text/html": TABLE.format(right=right, took=took), "text/plain": "<HTML>"}),
            nbformat.v4.new_output("display_data", {"image/png": drawn, "text/plain": "<Figure>"}),
            nbformat.v4.new_output("display_data", {"text/markdown": f"made {day}T10:11:12, 31.5 sentences a second"}),
        ]
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=cells, id="c-1"), nbformat.v4.new_markdown_cell("text")])
        (folder / "notebooks").mkdir(parents=True, exist_ok=True)
        nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")
    runs.write_json(folder / "headlines.json", {"tuned": 0.86})
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def compared(tmp_path, capsys, **changes) -> tuple[int, str]:
    one, other = journey(tmp_path / "one"), journey(tmp_path / "other", **changes)
    code = main(["same", str(one), str(other)])
    return code, capsys.readouterr().out


def test_other_seconds_and_another_day_are_the_same(tmp_path, capsys):
    code, out = compared(tmp_path, capsys, took="9,120.7", day="2027-01-02", said="1,041.5 seconds, 12.0 min left, the course's 3 pictures")
    assert code == 0 and out.splitlines() == [
        "00_a.ipynb: the same",
        "01_b.ipynb: the same",
        "headlines.json: the same",
        "weights and rows: the same",
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"right": 71}, "+c-1: MLP | right | 71 %"),
        ({"said": "40 s, 0.9 min left, the course's 4 pictures"}, "+c-1: <time>, <time> left, the course's 4 pictures"),
        ({"drawn": "BBBB"}, "+c-1: picture "),
        ({"weights": b"v"}, "+model.safetensors "),
        ({"names": ("00_a",)}, "missing: "),
    ],
)
def test_every_other_difference_is_shown(tmp_path, capsys, change, line):
    code, out = compared(tmp_path, capsys, **change)
    assert code == 1 and line in out and "lines differ" in out


def test_a_column_of_times_is_told_from_one_that_only_has_an_s():
    from utils.journey.same import shown

    table = "<table><tr><th>what</th><th>Krippendorff's alpha</th><th>an answer, ms</th></tr><tr><td>all</td><td>0.4</td><td>12</td></tr></table>"
    assert shown({"data": {"text/html": table}})[1:] == ["all | Krippendorff's alpha | 0.4", "all | an answer, ms | <time>"]


def test_a_done_stage_tells_no_steps_and_a_number_may_stand_above_its_unit():
    from utils.journey.same import shown

    first = "llava-pt, instruct: step 120/1200, loss 0.544, 0.9 min left\ncorpus: 12 rows\n"
    assert (
        shown({"text": first})
        == shown({"text": "translation: corpus is complete for these files, nothing to do\ncorpus: 12 rows\n"})
        == ["corpus: 12 rows"]
    )
    assert shown({"data": {"text/html": "<p>53.757</p><p>seconds</p><p>127</p><p>in quarantine</p>"}}) == [
        "<time>",
        "seconds",
        "127",
        "in quarantine",
    ]
    table = "<table><tr><th>what</th><th>here</th></tr><tr><td>{}</td><td>{}</td></tr></table>"
    assert shown({"data": {"text/html": table.format("free disk", "26 GB")}}) == []
    assert shown({"data": {"text/html": table.format("processor", "2 cores")}}) == ["processor | what | processor", "processor | here | 2 cores"]


def test_rows_and_ratios_that_the_machine_decides_are_left_out():
    from utils.journey.same import shown

    table = "<table><tr><th>what</th><th>one</th></tr><tr><td>{}</td><td>{}</td></tr></table>"
    assert shown({"data": {"text/html": table.format("seconds per 100 answers", "16.1")}})[1] == "seconds per 100 answers | one | <time>"
    assert shown({"data": {"text/html": table.format("peak memory of the process", "788 MiB")}})[1].endswith("<time>")
    for kept in ("answers right", "S state space", "min"):
        assert shown({"data": {"text/html": table.format(kept, "16.1")}})[1] == f"{kept} | one | 16.1"
    said = "12 picture tokens instead of 36, 1.7 times the training seconds, 0.55 times the seconds per answer, 1.2 times the memory, -10.7 points"
    assert shown({"text": said})[0].endswith("<times> the training seconds, <times> the seconds per answer, <times> the memory, -10.7 points")
    assert shown({"text": "\n"}) == []


def test_a_page_in_a_frame_is_read_too():
    from utils.journey.same import shown

    frame = '<iframe srcdoc="&lt;style&gt;p{}&lt;/style&gt;&lt;p&gt;held: 12 rows&lt;/p&gt;"></iframe>'
    assert shown({"data": {"text/html": f"<p>before</p>{frame}"}}) == ["before", "held: 12 rows"]


def test_a_folder_without_a_journey_is_named(tmp_path, capsys):
    one = journey(tmp_path / "one")
    assert main(["same", str(one), str(tmp_path)]) == 2 and "holds no executed notebook" in capsys.readouterr().err
