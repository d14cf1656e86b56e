"""The picture tokenizer of type D: 36 codes of a picture, found by k-means, and the picture that codes stand for."""

import torch
from torch import nn
from torch.nn.functional import affine_grid, grid_sample

from utils.models.tiny import IMAGE_SIZE

WINDOW = IMAGE_SIZE // 2  # pixels a side of a window; a picture has four and a window nine codes
COLOURS, BOXES, PARTS = 16, 112, 384  # code numbers by role: colours first, then boxes, then parts
CODES = COLOURS + BOXES + PARTS
SLOTS = 9  # codes of a window: ground at the rim, ground inside, six parts, box; a box before its parts would have to be guessed
HIGH, WIDE = 14, 20  # pixels of a part: three rows of two fill the box
APART = 0.15  # normalised colours that differ by more are not the ground
MOST = 8000  # vectors that k-means looks at


class PictureTokens(nn.Module):
    """Code books of ground colours, boxes, and parts of what stands out from the ground, all learnt without labels.

    Vector quantisation (Lloyd's k-means) where codes are drawn one over the other, as the sprites of MarioNette (Smirnov et
    al. 2021, arXiv 2104.14553). Assumed: windows of half the picture with one thing each on flat ground, as these scenes
    have; it would fail on photographs, for which VQ-VAE and VQGAN (arXiv 1711.00937, 2012.09841) learn far longer.
    """

    def __init__(self):
        super().__init__()
        self.colours, self.boxes = nn.Parameter(torch.zeros(COLOURS, 3)), nn.Parameter(torch.zeros(BOXES, 4))
        self.parts = nn.Parameter(torch.zeros(PARTS, 4 * HIGH * WIDE))
        self.requires_grad_(False)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """(batch, 36) code numbers of normalised pixels (batch, 3, 96, 96), window after window in reading order."""
        grounds, boxes, parts = analyse(pixels)
        found = [nearest(grounds, self.colours), COLOURS + BOXES + nearest(parts, self.parts), COLOURS + nearest(boxes, self.boxes)[:, None]]
        return torch.cat(found, dim=1).view(len(pixels), -1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(batch, 3, 96, 96) normalised pixels of (batch, 36) code numbers; a number of the wrong role becomes the nearest of the right one."""
        windows = codes.view(-1, SLOTS)
        rim, inside = (self.colours[windows[:, n].clamp(0, COLOURS - 1)][..., None, None] for n in (0, 1))
        boxes = self.boxes[(windows[:, 8] - COLOURS).clamp(0, BOXES - 1)]
        parts = self.parts[(windows[:, 2:8] - COLOURS - BOXES).clamp(0, PARTS - 1)]
        layer = parts.view(-1, 3, 2, 4, HIGH, WIDE).permute(0, 3, 1, 4, 2, 5).reshape(-1, 4, 3 * HIGH, 2 * WIDE)
        middle, half = _box(boxes)
        placed = grid_sample(layer, _grid(1 / half, -middle / half, WINDOW, WINDOW), align_corners=False)
        colour, there = placed[:, :3] / placed[:, 3:].clamp_min(1e-3), ((placed[:, 3:] - 0.3) / 0.4).clamp(0, 1)
        ground = inside.expand(-1, 3, WINDOW, WINDOW).clone()
        ground[:, :, _rim(0)] = rim[..., 0].expand(-1, 3, int(_rim(0).sum()))
        drawn = ground * (1 - there) + colour * there
        return drawn.view(-1, 2, 2, 3, WINDOW, WINDOW).permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, IMAGE_SIZE, IMAGE_SIZE)


def nearest(vectors: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    """Number of the nearest row of a code book for each vector (..., width)."""
    return torch.cdist(vectors.flatten(0, -2), book).argmin(-1).view(vectors.shape[:-1])


def _rim(inset: int) -> torch.Tensor:
    """(48, 48) bool: the ring of pixels that far inside a window."""
    away = torch.minimum(torch.arange(WINDOW), torch.arange(WINDOW).flip(0))
    return torch.minimum(away[:, None], away[None]) == inset


def _box(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(middle, half size), each (n, 2) as x, y in -1..1, of boxes as left, top, right, bottom in pixels."""
    low, high = boxes[:, :2] / WINDOW * 2 - 1, boxes[:, 2:] / WINDOW * 2 - 1
    return (low + high) / 2, ((high - low) / 2).clamp_min(2 / WINDOW)


def _grid(scale: torch.Tensor, shift: torch.Tensor, high: int, wide: int) -> torch.Tensor:
    return affine_grid(torch.cat([torch.diag_embed(scale), shift[..., None]], dim=-1), [len(scale), 1, high, wide], align_corners=False)


def analyse(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Per window: grounds (n, 2, 3), the box (n, 4) of what stands out, and its six parts (n, 6, width) stretched to one size.

    The last fourth of a part says where it is; its colours are zero elsewhere. An empty window has a full box.
    """
    windows = pixels.unfold(2, WINDOW, WINDOW).unfold(3, WINDOW, WINDOW).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    grounds = torch.stack([windows[:, :, _rim(inset)].median(-1).values for inset in (0, 2)], dim=1)
    there = ((windows[:, None] - grounds[..., None, None]).abs().amax(2) > APART).all(1)
    there[:, _rim(0)] = False
    box = []
    for line in (there.any(1), there.any(2)):  # columns, then rows
        line = line | ~line.any(-1, keepdim=True)
        box.append((line.int().argmax(-1), WINDOW - line.flip(-1).int().argmax(-1)))
    boxes = torch.stack([box[0][0], box[1][0], box[0][1], box[1][1]], dim=-1).to(pixels.dtype)
    middle, half = _box(boxes)
    masked = torch.cat([windows * there[:, None], there[:, None].to(pixels.dtype)], dim=1)
    layer = grid_sample(masked, _grid(half, middle, 3 * HIGH, 2 * WIDE), align_corners=False)
    parts = layer.view(-1, 4, 3, HIGH, 2, WIDE).permute(0, 2, 4, 1, 3, 5).reshape(len(windows), 6, -1)
    return grounds, boxes, parts


def train(tokens: PictureTokens, pixels: torch.Tensor, rounds: int, seed: int) -> float:
    """Find the code books on pictures (n, 3, 96, 96); returns the mean squared error of the pictures given back."""
    random = torch.Generator().manual_seed(seed)
    found = [analyse(some) for some in pixels.split(64)]
    for book, kind in zip((tokens.colours, tokens.boxes, tokens.parts), zip(*found, strict=True), strict=True):
        vectors = torch.cat(kind).flatten(0, -2)
        some = torch.randperm(len(vectors), generator=random)[:MOST]
        book.copy_(k_means(vectors[some], len(book), rounds, random))
    return sum(((tokens.decode(tokens.encode(some)) - some) ** 2).mean().item() * len(some) for some in pixels.split(64)) / len(pixels)


@torch.no_grad()
def k_means(vectors: torch.Tensor, count: int, rounds: int, random: torch.Generator) -> torch.Tensor:
    """(count, width) middles of groups: starts of k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's rounds."""
    square, far = vectors.square().sum(-1), torch.ones(len(vectors))
    book = torch.empty(count, vectors.shape[1])
    for n in range(count):
        book[n] = vectors[torch.multinomial(far + 1e-9, 1, generator=random)[0]]
        now = (square - 2 * vectors @ book[n] + book[n].square().sum()).clamp_min(0)
        far = now if n == 0 else torch.minimum(far, now)
    for _ in range(rounds):
        which = nearest(vectors, book)
        times = torch.bincount(which, minlength=count)
        sums = torch.zeros_like(book).index_add_(0, which, vectors)
        book = torch.where(times[:, None] > 0, sums / times[:, None].clamp_min(1), book)
    return book
