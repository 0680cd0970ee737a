"""`Snapshot` to `ImagePlan`; pure functions."""
