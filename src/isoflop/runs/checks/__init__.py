"""What a table shows before any fit: rows that cannot be what they say, and runs that do not belong into one fit."""

from isoflop.runs.checks.rows import check_rows as check_rows
