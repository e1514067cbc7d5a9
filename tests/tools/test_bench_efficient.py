"""How near the power mode that is found by probes comes to the best one, on tables of modes."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import mean

from benchlib.mode_tables import TABLE, ModeTable, efficiency, made, published

from edge_rt.governor.knobs.mode_search import PROBES, Probe


def test_made_tables_are_searched_well_with_few_probes() -> None:
    dice = random.Random(1)
    found = [efficiency(table, dice) for modes in (4, 6, 9) for table in made(modes, 40, modes)]
    assert mean(share for share, _ in found) > 0.98
    assert max(probes for _, probes in found) <= PROBES


def test_the_best_mode_is_the_best_one_that_is_fast_enough() -> None:
    frugal, fast = Probe(1.0, 5.0), Probe(2.0, 20.0)
    table = ModeTable("", [frugal, fast], least_per_s=10.0)
    assert efficiency(table, random.Random(0)) == (1.0, 2)
    table = ModeTable("", [frugal, fast], least_per_s=1.0)
    assert efficiency(table, random.Random(0)) == (1.0, 2)


def test_a_published_table_is_a_model_in_several_modes(tmp_path: Path) -> None:
    path = tmp_path / TABLE
    path.parent.mkdir()
    path.write_text(
        "board,model,quant,engine,tok_s,watts,conditions\n"
        "Orin,A,Q4_0,llama.cpp,20,10,batch 1\n"
        "Orin,A,Q4_0,llama.cpp,10,4,batch 1\n"
        "Orin,B,Q4_0,llama.cpp,10,4,batch 1\n"
        "Orin,A,Q4_0,vLLM,30,4,batch 1\n"
        "Orin,A,Q4_0,llama.cpp,30,,batch 1\n"
    )
    (table,) = published(tmp_path)
    assert table.modes == [Probe(0.4, 10.0), Probe(0.5, 20.0)]
