"""The container's folder for Replicate's cog: it answers by itself, and cog.yaml keeps the documented rules."""

import re
import subprocess
import sys
from importlib import metadata

import pytest

from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import single
from utils.models.load import SHIPPED
from utils.runs import UserError
from utils.serving import predict
from utils.serving.answer import ask


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    return predict.write_container(SHIPPED, tmp_path_factory.mktemp("container") / "image")


def needed(names):
    """The installed distributions that `names` need, themselves included."""
    from packaging.requirements import Requirement

    found, todo = {}, list(names)
    while todo:
        one = Requirement(todo.pop())
        if one.name.lower() not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found[one.name.lower()] = metadata.distribution(one.name)
            todo += found[one.name.lower()].requires or []
    return found.values()


COG = """
import pathlib, sys, types
try:
    import cog
except ImportError:
    cog = sys.modules["cog"] = types.ModuleType("cog")
    cog.BasePredictor, cog.Path, cog.Input = type("BasePredictor", (), {}), pathlib.Path, lambda default=None, **_: default
import predict, utils
assert str(pathlib.Path(utils.__file__).parent.parent) == str(pathlib.Path.cwd()), "the folder's own utils"
one = predict.Predictor()
one.setup()
for picture, question in (("dog.png", "What do you see?"), ("dog.png", " "), ("broken.png", "?")):
    try:
        print(one.predict(image=cog.Path(picture), question=question))
    except utils.runs.UserError as error:
        print(error)
"""


def test_the_containers_folder_answers_with_its_own_packages_alone(container, tmp_path):
    render(single("dog")).save(container / "dog.png")
    (container / "broken.png").write_bytes(b"hello")
    lines = (container / "requirements.txt").read_text(encoding="utf-8").split()
    names = [*lines, *(["cog"] if "cog" in {one.name for one in metadata.distributions()} else [])]
    for dist in needed(names):
        for top in {file.parts[0] for file in dist.files if file.parts[0] not in ("..", "__pycache__")}:
            if not (tmp_path / top).exists():
                (tmp_path / top).symlink_to(dist.locate_file(top))
    code = f"import sys; sys.path[:0] = ['.', {str(tmp_path)!r}]\n{COG}"
    ended = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], cwd=container, capture_output=True, text=True)
    told = ended.stdout.splitlines()
    assert ended.returncode == 0 and told[0] == ask(container / "dog.png", "What do you see?", SHIPPED), ended.stderr
    assert told[1].startswith("the question is empty") and told[2].startswith("broken.png is not a PNG")


def test_cog_yaml_keeps_the_documented_rules(container):
    import yaml

    config = yaml.safe_load((container / "cog.yaml").read_text(encoding="utf-8"))
    build = config["build"]
    # replicate/cog, docs/yaml.md and pkg/config/data/config_schema_v1.0.json: other keys are an error.
    assert set(config) <= {"build", "image", "predict", "train", "concurrency"}
    assert set(build) <= {"cuda", "cudnn", "gpu", "python_version", "python_packages", "pre_install", "python_requirements", "system_packages", "run"}
    # pkg/config/validate.go: a version with a minor part is required; one of the two lists of packages, and the file must be there.
    assert isinstance(build["python_version"], str) and re.fullmatch(r"3\.(\d+)", build["python_version"]) and "python_packages" not in build
    assert isinstance(build["gpu"], bool) and re.fullmatch(r"\d{2}\.\d", build["cuda"])
    pins = (container / build["python_requirements"]).read_text(encoding="utf-8").splitlines()
    assert len(pins) == len(predict.PACKAGES) and all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in pins)
    file, name = config["predict"].split(".py:")
    assert re.search(rf"^class {name}\(BasePredictor\):", (container / f"{file}.py").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_predictor_declares_what_cog_reads_without_running_it(container):
    import ast

    tree = ast.parse((container / "predict.py").read_text(encoding="utf-8"))
    methods = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    asked = methods["predict"].args
    assert set(methods) == {"setup", "predict"} and ast.unparse(methods["predict"].returns) == "str"
    assert [(one.arg, ast.unparse(one.annotation)) for one in asked.args[1:]] == [("image", "Path"), ("question", "str")]
    assert all(isinstance(keyword.value, ast.Constant) for call in asked.defaults for keyword in call.keywords)


def test_a_container_is_written_whole_and_once(container, tmp_path):
    assert sorted(file.name for file in container.iterdir() if file.suffix != ".png") == [
        "cog.yaml",
        "model",
        "predict.py",
        "requirements.txt",
        "utils",
    ]
    assert {file.name for file in (container / "model").iterdir()} == {file.name for file in SHIPPED.iterdir()}
    assert not list(container.rglob("__pycache__"))
    with pytest.raises(UserError, match="is there already; name a new folder"):
        predict.write_container(SHIPPED, container)
    with pytest.raises(UserError, match="holds no model"):
        predict.write_container(tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
