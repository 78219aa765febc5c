"""What people read: charts, the HTML report, tables for the terminal, citations.

Nothing is imported here, so that the tables of the terminal do not load the chart library.
"""
