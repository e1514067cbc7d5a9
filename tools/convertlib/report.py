"""The comparison as a table."""

from __future__ import annotations

from rich.table import Table

from convertlib.check import REFERENCE, Check


def table(check: Check) -> Table:
    """A row for each way of running the text; the first is what the others are held against."""
    count = check.rows[REFERENCE].positions
    made = Table(title=f"{count} tokens, against {REFERENCE}", title_justify="left")
    made.add_column("")
    for title in ("KL, nats", "same top-1", "margin where not", "perplexity"):
        made.add_column(title, justify="right")
    for name, row in check.rows.items():
        figures = (f"{row.kl_nats:.5f}", f"{row.top1:.2%}", f"{row.margin_nats:.3f}")
        beside = ("", "", "") if name == REFERENCE else figures
        made.add_row(name, *beside, f"{row.perplexity:.3f}")
    bounds = check.bounds
    ratio = f"± {bounds.perplexity_log_ratio:.1%}"
    made.add_section()
    made.add_row("allowed", f"{bounds.kl_nats:.5f}", f"{1 - bounds.top1_lost:.2%}", "", ratio)
    return made
