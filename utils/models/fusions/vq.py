"""The picture tokenizer of type D: 6×6 codes from one code book, and the decoder that draws a picture from them."""

import torch
from torch import nn
from torch.nn.functional import mse_loss, pixel_shuffle

from utils.models.tiny import IMAGE_SIZE, PATCH

CODES = 128
WIDTH = 16  # of a code
SIDE = IMAGE_SIZE // PATCH
COMMIT = 0.25  # weight of the encoder's pull to its code, as in van den Oord et al. 2017
RESTART_EVERY = 20  # steps between looks for codes that nothing uses


class PictureTokens(nn.Module):
    """A VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937) over the shared tower's patches.

    Like LaVIT's tokenizer (Jin et al. 2023, arXiv 2309.04669) it must give the tower's features back; it must draw the picture too.
    """

    def __init__(self, features: int = 128, codes: int = CODES, hidden: int = 128):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.encoder = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, WIDTH))
        self.book = nn.Parameter(torch.randn(codes, WIDTH))
        self.decoder = nn.Sequential(
            nn.Conv2d(WIDTH, hidden, 3, padding=1), nn.GELU(), nn.Conv2d(hidden, hidden, 3, padding=1), nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1), nn.GELU(),
        )  # fmt: skip
        self.to_pixels = nn.Conv2d(hidden, 3 * PATCH * PATCH, 1)
        self.to_features = nn.Conv2d(hidden, features, 1)

    def vectors(self, features: torch.Tensor) -> torch.Tensor:
        return self.encoder((features - self.mean) / self.std)

    def nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        return torch.cdist(vectors.flatten(0, -2), self.book).argmin(-1).view(vectors.shape[:-1])

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, 36) code numbers of the tower's patches (batch, 36, width)."""
        return self.nearest(self.vectors(features))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(batch, 3, 96, 96) normalised pixels of (batch, 36) code numbers."""
        return self._draw(self.book[codes])[0]

    def _draw(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.decoder(vectors.transpose(1, 2).unflatten(2, (SIDE, SIDE)))
        return pixel_shuffle(self.to_pixels(hidden), PATCH), self.to_features(hidden).flatten(2).transpose(1, 2)

    def loss(self, features: torch.Tensor, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(loss, code numbers): pixels and features given back through the straight-through codes, and codes and encoder drawn together."""
        vectors = self.vectors(features)
        codes = self.nearest(vectors)
        chosen = self.book[codes]
        drawn, told = self._draw(vectors + (chosen - vectors).detach())
        pulls = mse_loss(chosen, vectors.detach()) + COMMIT * mse_loss(vectors, chosen.detach())
        return mse_loss(drawn, pixels) + mse_loss(told, (features - self.mean) / self.std) + pulls, codes


def train(tokens: PictureTokens, features: torch.Tensor, pixels: torch.Tensor, steps: int, seed: int, batch: int = 48, lr: float = 2e-3) -> float:
    """Train the tokenizer on pictures, (n, 36, width) features and (n, 3, 96, 96) pixels; returns the last loss."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        tokens.mean.copy_(features.flatten(0, 1).mean(0))
        tokens.std.copy_(features.flatten(0, 1).std(0).clamp_min(1e-4))
        _restart(tokens, features, torch.arange(len(tokens.book)), random)
    optimizer = torch.optim.AdamW(tokens.parameters(), lr=lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    used, value = torch.zeros(len(tokens.book)), float("nan")
    for step in range(steps):
        rows = torch.randint(len(features), (batch,), generator=random)
        loss, codes = tokens.loss(features[rows], pixels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        value = loss.item()
        used += torch.bincount(codes.flatten(), minlength=len(used))
        if step % RESTART_EVERY == RESTART_EVERY - 1:
            if step < 0.7 * steps:
                _restart(tokens, features[rows], torch.nonzero(used == 0)[:, 0], random)
            used.zero_()
    return value


@torch.no_grad()
def _restart(tokens: PictureTokens, features: torch.Tensor, which: torch.Tensor, random: torch.Generator) -> None:
    """Put codes that nothing uses on patches that there are: left alone, they would stay unused."""
    found = tokens.vectors(features[:64]).flatten(0, 1)
    tokens.book[which] = found[torch.randint(len(found), (len(which),), generator=random)]
