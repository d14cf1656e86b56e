# ruff: noqa: B008 (cog wants Input(...) as the default)
"""The container predictor for Replicate's cog: it loads the model that lies beside this file and answers about one picture."""

import pathlib

from cog import BasePredictor, Input, Path

from utils.serving import predict as serving


class Predictor(BasePredictor):
    """One model, loaded once; cog calls `setup` at the start and `predict` for each request."""

    def setup(self) -> None:
        self.loaded = serving.load(pathlib.Path(__file__).parent / serving.MODEL_FOLDER)

    def predict(
        self,
        image: Path = Input(description="Imagem: PNG, JPEG, WebP, GIF ou BMP"),
        # Cog reads the default from this text without running it: it must be a literal.
        question: str = Input(description="Pergunta sobre a imagem", default="O que você vê na imagem?"),
    ) -> str:
        """The model's answer; a broken picture or an empty question ends in one sentence."""
        return serving.answer(self.loaded, serving.upright(image), question)
