"""What the data and the fit say about themselves: the rules that raise findings about a fit, one idea per file."""

from isoflop.fitting.diagnostics.examination import examine as examine
