"""The comparison as a table."""

from __future__ import annotations

from rich.table import Table

from edge_rt_convert.check import Check


def table(check: Check) -> Table:
    """A row for each way of running the text; the first is what the others are held against.

    "ratio" is that of the perplexities, less 1, with its standard error.
    """
    reference = next(iter(check.rows))
    count = check.rows[reference].positions
    made = Table(title=f"{count} tokens, against {reference}", title_justify="left")
    made.add_column("")
    for title in ("KL, nats", "same top-1", "margin where not", "perplexity", "ratio"):
        made.add_column(title, justify="right")
    for name, row in check.rows.items():
        perplexity = f"{row.perplexity:.3f}"
        if name == reference:
            made.add_row(name, "", "", "", perplexity, "")
            continue
        figures = (f"{row.kl_nats:.5f}", f"{row.top1:.2%}", f"{row.margin_nats:.3f}", perplexity)
        made.add_row(name, *figures, f"{row.drift_nats:+.2%} ± {row.drift_error_nats:.2%}")
    made.add_section()
    bounds = check.bounds
    figures = (f"{bounds.kl_nats:.5f}", f"{1 - bounds.top1_lost:.2%}", "", "")
    made.add_row("allowed", *figures, f"{bounds.drift_nats:.2%}")
    return made
