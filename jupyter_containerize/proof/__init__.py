"""What a run gave, compared with what the notebook recorded; pure functions."""
