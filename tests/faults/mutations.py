"""Malformed inputs from seeds: what torn writes, wrong programs and hostile people do to files."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.faults.reader_families import Seed

TOKENS = [
    *(b"", b",", b";", b"\t", b"\n", b"\r", b'"', b'""', b"{", b"}", b"[", b"]", b":", b"null", b"NaN", b"Infinity"),
    *(b"-1e400", b"1e400", b"0", b"-0", b"9" * 400, b"1,234", b"1,5", b"7B", b"1_0", b"0x1", b"true", b"\\u0000"),
    *(b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc3", b"\x1b[31m", b"=cmd()", b"\xe2\x88\x92", b"\x80\x04."),
    *(b"params", b"loss", b"step", b"run", b"tokens", b"&a", b"*a", b"!!python/object:os.system", b"1e18", b"- "),
    *(b"[" * 200, b"{" * 200, b"\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a\xff\xff\xff\x7f", b"\x12\x00"),
    b"step 1: train loss 1, val loss",
]  # fmt: skip


@st.composite
def edits(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` after a few edits: bytes changed, cut, doubled, moved, or tokens put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 24))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "double", "token", "bytes", "swap"]))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 8))
        elif kind == "token":
            data[at : at + length] = draw(st.sampled_from(TOKENS))
        elif kind == "bytes":
            data[at:at] = draw(st.binary(max_size=24))
        else:
            other = draw(st.integers(0, len(data)))
            data[at:at] = data[other : other + length]
    return bytes(data)


@st.composite
def malformed(draw: st.DrawFn, seeds: tuple[Seed, ...]) -> Seed:
    """A seed with one of its files edited, or the name of a file that another one's content was put under."""
    seed = draw(st.sampled_from(seeds))
    name = draw(st.sampled_from(sorted(seed.files)))
    return Seed({**seed.files, name: draw(edits(seed.files[name]))}, seed.target)


CELLS = st.one_of(
    st.sampled_from(
        ["", "1", "1e6", "7B", "1.5", "1,5", "1,234", "10,000,000", "1.234,5", "nan", "NA", "inf", "-1", "1e400"]
    ),
    st.floats().map(repr),
    st.integers().map(str),
    st.text(max_size=12),
)
NAMES = (
    "run params N tokens D loss val_loss step compute C perplexity val_bpb batch_size context loss_unit param_count "
    "params_M eval/c4/loss samples_seen lr"
)
HEADERS = st.one_of(st.sampled_from([*NAMES.split(), "Model Size (B)"]), st.text(max_size=10))


@st.composite
def tables_of_text(draw: st.DrawFn) -> bytes:
    """A table as nobody should write it: any headers and cells, any delimiter, quoting, line ends and encoding."""
    header = draw(st.lists(HEADERS, min_size=1, max_size=6))
    width = len(header)
    rows = draw(st.lists(st.lists(CELLS, min_size=max(0, width - 1), max_size=width + 1), max_size=8))
    mark = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    quoted = draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quoted or mark in text else text

    text = end.join(mark.join(map(cell, row)) for row in [header, *rows]) + draw(st.sampled_from(["", end, end * 2]))
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
    return text.encode(codec, "replace")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.one_of(HEADERS, st.text(max_size=6)), inner, max_size=5)
    ),
    max_leaves=12,
)
"""Any JSON document, with keys that readers know among others."""
