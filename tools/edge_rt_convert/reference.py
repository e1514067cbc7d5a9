"""Run in the builder's environment: a folder's own logits, in float32.

`reference.py FOLDER TOKENS.json LOGITS.npy COUNT`: the tokens of the file, or COUNT that the model
makes up, which are then written there.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from transformers import AutoModelForCausalLM  # pyright: ignore[reportMissingImports]


def main(folder, tokens_file, logits_file, count):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    path = Path(tokens_file)
    with torch.no_grad():
        tokens = json.loads(path.read_text()) if path.exists() else made_up(model, int(count))
        path.write_text(json.dumps(tokens))
        logits = model(torch.tensor([tokens])).logits[0]
    np.save(logits_file, logits.numpy())


def made_up(model, count):
    config = model.generation_config
    start = config.bos_token_id if config.bos_token_id is not None else 0
    ids = torch.tensor([[start]])
    drawn = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0}
    length = {"min_new_tokens": count - 1, "max_new_tokens": count - 1}
    mask = torch.ones_like(ids)
    return model.generate(ids, attention_mask=mask, pad_token_id=0, **drawn, **length)[0].tolist()


if __name__ == "__main__":
    main(*sys.argv[1:])
