"""What teams reported on AdMIRe's Portuguese part, and what thirteen items can tell about them.

Figures as printed in docs/results.md of semeval2025-task1/semeval2025-task1.github.io (teams with a system paper); all reported.
"""

from dataclasses import dataclass

from utils.evaluation.intervals import wilson

TEST_ITEMS, EXTENDED_ITEMS = 13, 55
SOURCE = "semeval2025-task1/semeval2025-task1.github.io, docs/results.md"


@dataclass(frozen=True)
class Team:
    """Top-1 (0 to 1) and DCG on the test and the extended set; None where a team has no entry."""

    name: str
    test: float
    test_dcg: float
    extended: float | None = None
    extended_dcg: float | None = None
    track: str = "text and image"


PORTUGUESE = (
    Team("HiTZ-Ixa", 1.00, 3.51, 0.45, 2.82), Team("dutir914", 0.92, 3.43, 0.69, 3.06), Team("Zhoumou", 0.85, 3.33, 0.67, 3.10),
    Team("daalft", 0.77, 3.31, 0.56, 2.95), Team("PALI-NLP", 0.69, 3.21, 0.76, 3.23), Team("AlexUNLP-NB", 0.62, 3.09, 0.51, 2.91),
    Team("UoR-NCL", 0.54, 3.05, 0.56, 2.90), Team("YNU-HPCC", 0.38, 2.92), Team("UMUTeam", 0.38, 2.57, 0.18, 2.33),
    Team("Howard University-AI4PC", 0.23, 2.64), Team("Modgenix", 0.23, 2.57), Team("CTYUN-AI", 0.92, 3.43, 0.56, 2.97, track="text only"),
)  # fmt: skip


def right_of(share: float, items: int) -> int:
    """The count behind a printed share, which is rounded to two places; raises ValueError where no count fits."""
    count = round(share * items)
    if abs(count / items - share) > 0.00501:
        raise ValueError(f"no number of {items} items is {share:.2f} of them; check the figure against its source")
    return count


def with_intervals() -> list[dict]:
    """A row for each team and set that it entered: the count behind the share, and its 95 % Wilson interval."""
    rows = []
    for team in PORTUGUESE:
        for name, share, items in (("test", team.test, TEST_ITEMS), ("extended", team.extended, EXTENDED_ITEMS)):
            if share is not None:
                low, high = wilson(right_of(share, items), items)
                rows.append(
                    {"team": team.name, "set": name, "items": items, "right": right_of(share, items), "share": share, "low": low, "high": high}
                )
    return rows


def best_of(teams: int, share: float, items: int) -> dict:
    """When so many teams all have the same true share: the mean of the best score, and the chance that it is 12 of 13 or better.

    Exact, from the binomial counts of independent teams. `lucky` is the chance of a best score of at least 12/13.
    """
    from scipy.stats import binom

    below = [float(binom.cdf(count, items, share)) ** teams for count in range(items + 1)]
    mean = sum((below[count] - (below[count - 1] if count else 0.0)) * count for count in range(items + 1)) / items
    first = next(count for count in range(items + 1) if count / items >= 12 / 13)
    return {"teams": teams, "share": share, "items": items, "best": mean, "lucky": 1 - below[first - 1]}


def ranks_kept() -> dict:
    """Spearman's correlation of the teams' test and extended top-1, over the teams that entered both."""
    from scipy.stats import spearmanr

    both = [team for team in PORTUGUESE if team.extended is not None]
    found = spearmanr([team.test for team in both], [team.extended for team in both])
    return {"teams": len(both), "correlation": float(found.statistic), "p": float(found.pvalue)}
