"""How the answers of policies are shown, and in what words."""

from __future__ import annotations

from evallib.markdown import Row, figure, percent, short, text


def _parts(row: Row) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in row["by"].items())


COLUMNS = (
    ("policy", text("name")),
    ("n", text("n")),
    ("J", short("energy_j")),
    ("J, of the large's", figure("against_large", "energy_j_ratio")),
    ("without hits", short("against_large", "made_j_ratio")),
    ("the board's, of the large's", short("added_ratio")),
    ("board's J", short("board_j", digits=4)),
    ("p50, s", short("p50_s")),
    ("p95, s", short("p95_s")),
    ("judged", text("judged")),
    ("right, %", percent("accuracy")),
    ("right, of the large's", figure("against_large", "accuracy_ratio")),
    ("hard", text("hard")),
    ("recall of hard, %", percent("recall")),
    ("hard that are right, %", percent("mended")),
    ("small's wrong", text("wrong")),
    ("recall of those, %", percent("recall_wrong")),
    ("exact hits", text("exact")),
    ("semantic", text("semantic")),
    ("false", text("false")),
    ("large took part, %", percent("large_share")),
    ("by", _parts),
)
NOTES = (
    "Means an answer, with 95 % paired bootstrap intervals over the questions, where requests that "
    "ask the same are drawn together. J: what answers added; a hit's are those of finding it. "
    "Without hits: of the requests that a model answered. The board's: all that it drew beyond "
    "its draw at rest; board's J: that with it, in the longest time that a policy took. Joules are "
    "those of a simulated Raspberry Pi 5 whose cores are as busy as this machine's; seconds are "
    "measured here, from when a request was to come.",
    "large, small: that model by itself; rules: the router by rules alone, without doubt, caches "
    "or what it learns; ours: the router as it is, with both caches; random: the two models by "
    "chance, the large one as often as in ours.",
    "Hard: what the small model by itself gets wrong and the large one right. Recall: the share "
    "in which the large model had a part, now or when the answer was kept. False: semantic hits "
    "that came from another question, as far as that can be told, or are wrong where what the "
    "same model itself makes of this one is right.",
    "The questions are not those that the other evaluations take first with this seed. Reworded "
    "ones have politeness around them or harmless words changed, by rule; altered ones another "
    "number, name or negation, and no reference.",
)
