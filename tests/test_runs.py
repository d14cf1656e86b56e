"""Manifests, atomic writes, locks: nothing half-written, nothing taken for complete that is not."""

import errno
import json
import os
import time

import pytest

from utils import runs
from utils.runs import UserError


def test_a_stage_is_complete_only_with_its_own_inputs(tmp_path):
    runs.finish(tmp_path, "abc", time.monotonic(), extra=1)
    manifest = runs.complete(tmp_path, "abc")
    assert manifest["extra"] == 1 and manifest["versions"]["python"] and manifest["peak_memory_mb"] > 0
    assert runs.complete(tmp_path, "other") is None
    assert runs.complete(tmp_path / "none", "abc") is None


@pytest.mark.parametrize("torn", ['{"complete": true, "inputs": "abc"', "", "[]", '{"complete": false, "inputs": "abc"}', "\x00"])
def test_a_torn_manifest_is_not_complete(tmp_path, torn):
    (tmp_path / runs.MANIFEST).write_text(torn)
    assert runs.complete(tmp_path, "abc") is None


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    runs.write_json(path, {"old": 1})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device.*free space"):
        runs.write_json(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_unwritable_output_folder_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OUTPUTS", str(tmp_path / "file" / "deep"))
    with pytest.raises(UserError, match="cannot write in .*set OUTPUTS"):
        runs.output_folder("tiny")


def test_a_second_run_in_the_same_folder_is_told(tmp_path):
    with runs.lock(tmp_path), pytest.raises(UserError, match="another run works in"), runs.lock(tmp_path, wait=0):
        pass
    with runs.lock(tmp_path, wait=0):
        pass


def test_hashes_depend_on_every_part(tmp_path):
    assert runs.text_hash("a", 1) != runs.text_hash("a", 2) and runs.text_hash({"x": 1, "y": 2}) == runs.text_hash({"y": 2, "x": 1})
    (tmp_path / "f").write_bytes(b"1")
    before = runs.file_hash(tmp_path / "f")
    (tmp_path / "f").write_bytes(b"2")
    assert runs.file_hash(tmp_path / "f") != before


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "x"), ValueError("I/O error: No space left on device"), RuntimeError("[enforce fail at inline_container.cc:672]")]
)
def test_a_full_disk_is_one_sentence_from_any_library(tmp_path, error):
    with pytest.raises(UserError, match="is full; free space and run again"), runs.full_disk_told(tmp_path):
        raise error
    with pytest.raises(KeyError), runs.full_disk_told(tmp_path):
        raise KeyError("other")
