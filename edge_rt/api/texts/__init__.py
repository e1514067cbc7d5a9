"""Work on texts beside answers: their order by a question, and their tokens."""
