"""What a person may set about an engine; every engine reads the same record and ignores what it has no use for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setup:
    """Settings of one engine; empty or zero means the engine's own default.

    `model`: a hub name or a folder (huggingface, ctranslate2), the server's model (llm). `server`: address of a service.
    `workers`: processes or concurrent requests. `rate`: requests a second at most.
    """

    model: str = ""
    server: str = ""
    workers: int = 0
    rate: float = 0.0
