"""Shared pieces: the real classes made small, a folder of real samples, results kept apart from the user's."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SAMPLES = ROOT.parent / "shared" / "samples"


@pytest.fixture(autouse=True)
def own_outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path / "outputs"))
    for name in ("SHARE", "SEED", "WEIGHTS", "SCALE", "RECIPE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def tokenizer():
    from utils.models.tokenizer import train_tokenizer

    return train_tokenizer(scenes=300)


@pytest.fixture()
def model(tokenizer):
    from utils.models.tiny import build_tiny

    return build_tiny(tokenizer, seed=1).eval()


@pytest.fixture(scope="session")
def base():
    """The shipped English base and its tokenizer."""
    from utils.models.load import SHIPPED, load_folder

    return load_folder(SHIPPED)


@pytest.fixture(scope="session")
def samples():
    if not SAMPLES.exists():
        pytest.skip("the folder of real samples is not here")
    return SAMPLES


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Forty pictures as the five files."""
    from utils.corpus.scenes.instruct import write_corpus

    folder = tmp_path_factory.mktemp("english")
    write_corpus(folder, 40)
    return folder


@pytest.fixture()
def llm_server(monkeypatch):
    """A loopback server for the engine `llm`, which waits for nothing between tries."""
    from tests.llm_server import serving
    from utils.translation.engines import llm

    monkeypatch.setattr(llm, "BACKOFF", 0.001)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running
