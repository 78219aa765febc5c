"""A plain GPT and its training step, written as most people write them: what the lab's speed is compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
        self.attention = nn.Linear(width, 3 * width, bias=False)
        self.projection = nn.Linear(width, width, bias=False)
        self.feedforward = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        query, key, value = (
            part.view(batch, time, self.heads, width // self.heads).transpose(1, 2)
            for part in self.attention(self.norm_1(x)).split(width, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.projection(mixed.transpose(1, 2).contiguous().view(batch, time, width))
        return x + self.feedforward(self.norm_2(x))


class PlainGpt(nn.Module):
    """Learned positions, GELU, no dropout, no biases, an unembedding of its own."""

    def __init__(self, vocab: int, width: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(PlainBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, vocab, bias=False)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        x = self.tokens(inputs) + self.positions(torch.arange(inputs.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


class PlainLoop:
    """One step: a random batch from an array in memory, forward, backward, clip, fused AdamW."""

    def __init__(self, model: nn.Module, text: Any, batch: int, context: int, bfloat16: bool, **adamw: Any) -> None:
        self.model, self.text, self.batch, self.context, self.bfloat16 = model, text, batch, context, bfloat16
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, **adamw)

    def step(self) -> None:
        starts = torch.randint(len(self.text) - self.context - 1, (self.batch,))
        inputs = torch.stack([self.text[i : i + self.context] for i in starts]).long()
        targets = torch.stack([self.text[i + 1 : i + 1 + self.context] for i in starts]).long()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            loss = self.loss(inputs, targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return self.model(inputs, targets)


class HuggingFaceLoop(PlainLoop):
    """GPT2LMHeadModel with its own defaults and the default AdamW, without dropout."""

    def __init__(self, text: Any, batch: int, context: int, bfloat16: bool, shape: tuple[int, int, int, int]) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        vocab, width, layers, heads = shape
        config = GPT2Config(
            vocab_size=vocab, n_positions=context, n_embd=width, n_layer=layers, n_head=heads, use_cache=False,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )  # fmt: skip
        super().__init__(GPT2LMHeadModel(config), text, batch, context, bfloat16)

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return self.model(input_ids=inputs, labels=inputs).loss
