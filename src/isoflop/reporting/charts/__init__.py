"""One chart a file: `data(…)` gives its numbers as rows, `chart(…)` draws them."""
