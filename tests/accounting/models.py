"""Published models, their shapes as their papers print them."""

from isoflop.accounting.architecture import Architecture, Experts

GPT_3 = Architecture(
    layers=96,
    width=12288,
    heads=96,
    kv_heads=96,
    head_width=128,
    feedforward=49152,
    vocab=50257,
    context=2048,
    embeddings="tied",
    positions="learned",
)
# Smith et al. (2022), arXiv 2201.11990, section 3.
MT_NLG = Architecture(
    layers=105,
    width=20480,
    heads=128,
    kv_heads=128,
    head_width=160,
    feedforward=81920,
    vocab=50257,
    context=2048,
    embeddings="tied",
    positions="learned",
)
LLAMA_2_70B = Architecture(
    layers=80,
    width=8192,
    heads=64,
    kv_heads=8,
    head_width=128,
    feedforward=28672,
    gated=True,
    vocab=32000,
    context=4096,
)
LLAMA_3_8B = Architecture(
    layers=32,
    width=4096,
    heads=32,
    kv_heads=8,
    head_width=128,
    feedforward=14336,
    gated=True,
    vocab=128256,
    context=8192,
)
MIXTRAL = Architecture(
    layers=32,
    width=4096,
    heads=32,
    kv_heads=8,
    head_width=128,
    feedforward=14336,
    gated=True,
    vocab=32000,
    context=32768,
    experts=Experts(count=8, per_token=2, feedforward=14336),
)
# Chowdhery et al. (2022), Table 1: one key head, gated feed-forward of 4 d, tied embeddings.
PALM = Architecture(
    layers=118,
    width=18432,
    heads=48,
    kv_heads=1,
    head_width=256,
    feedforward=73728,
    gated=True,
    vocab=256000,
    context=2048,
    embeddings="tied",
)
