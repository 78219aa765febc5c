"""modded-nanogpt: `logs/*.txt`.

step:1750/1770 val_loss:3.2791 train_time:159432ms step_avg:91.10ms
"""

from __future__ import annotations

from isoflop.readers.text_log import TextLog, line

MODDED_NANOGPT = TextLog(
    "modded-nanogpt",
    metrics=(
        line("val_loss:", r"^step:(?P<step>\d+)/(?P<of>\d+),?.*? val_loss:(?P<val>#)", val="val_loss"),
        line("train_loss:", r"^step:(?P<step>\d+)/(?P<of>\d+),?.*? train_loss:(?P<loss>#)", loss="train_loss"),
    ),
    meanings={"val_loss": "held-out loss", "train_loss": "training loss"},
)
