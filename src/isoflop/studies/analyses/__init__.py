"""What is made of the runs of a study: one function for each question, from a table of evaluations to an Analysis."""
