"""A plain GPT in one file, in the manner of nanoGPT: it knows nothing of isoflop, and isoflop trains ladders with it.

    python train.py --n_layer=2 --n_embd=32 --n_head=4 --max_iters=500 --out_dir=out

It reads bytes of the documentation that comes with Python, logs JSON lines, and saves its state when told to stop.
"""

import argparse
import json
import math
import os
import pathlib
import pydoc_data.topics
import signal
import sys

import torch
from torch import nn
from torch.nn import functional

VOCAB = 256


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = self.qkv(self.before_attention(x)).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, time, width))
        return x + self.mlp(self.before_mlp(x))


class GPT(nn.Module):
    def __init__(self, layers, width, heads, context):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCAB, bias=False)
        for weight in (self.tokens.weight, self.positions.weight, self.head.weight):
            nn.init.normal_(weight, std=0.02)

    def loss(self, window):
        inputs, targets = window[:, :-1], window[:, 1:]
        x = self.tokens(inputs) + self.positions(torch.arange(inputs.shape[1]))
        return functional.cross_entropy(self.head(self.norm(self.blocks(x))).flatten(0, 1), targets.flatten())


def read_text():
    text = "\n".join(pydoc_data.topics.topics.values()).encode()
    data = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    cut = len(data) * 9 // 10
    return data[:cut], data[cut:]


def windows(data, count, context, generator):
    starts = torch.randint(len(data) - context - 1, (count,), generator=generator)
    return torch.stack([data[start : start + context + 1] for start in starts])


def learning_rate(step, given):
    warm = min(1.0, (step + 1) / max(1, given.warmup_iters))
    done = step / given.max_iters
    return given.learning_rate * warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))


@torch.no_grad()
def held_out(model, data, context):
    sample = windows(data, 256, context, torch.Generator().manual_seed(1234))
    return model.loss(sample).item()


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("n_layer", 2), ("n_embd", 32), ("n_head", 4), ("block_size", 32), ("batch_size", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("max_iters", 500), ("warmup_iters", 10), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--learning_rate", type=float, default=3e-3)
    parser.add_argument("--out_dir", type=pathlib.Path, default=pathlib.Path("out"))
    parser.add_argument("--resume_from", type=pathlib.Path)
    given = parser.parse_args()

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(given.seed)
    train, validation = read_text()
    model = GPT(given.n_layer, given.n_embd, given.n_head, given.block_size)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1, betas=(0.9, 0.95))
    step = 0
    if given.resume_from and (given.resume_from / "ckpt.pt").exists():
        saved = torch.load(given.resume_from / "ckpt.pt", weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]

    told_to_stop = []
    signal.signal(signal.SIGTERM, lambda number, frame: told_to_stop.append(number))
    given.out_dir.mkdir(parents=True, exist_ok=True)
    with (given.out_dir / "metrics.jsonl").open("a") as log:
        while step < given.max_iters:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, given)
            order = torch.Generator().manual_seed(given.seed * 1_000_003 + step)
            loss = model.loss(windows(train, given.batch_size, given.block_size, order))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % max(1, given.max_iters // 10) == 0 or step == given.max_iters:
                tokens = step * given.batch_size * given.block_size
                line = {"step": step, "tokens": tokens, "train/loss": loss.item()}
                line["val/loss"] = held_out(model, validation, given.block_size)
                print(json.dumps(line), file=log, flush=True)
            if told_to_stop:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                torch.save(state, given.out_dir / "ckpt.part")
                os.replace(given.out_dir / "ckpt.part", given.out_dir / "ckpt.pt")
                sys.exit(128 + told_to_stop[0])


if __name__ == "__main__":
    main()
