"""`ImagePlan` to `Image`."""
