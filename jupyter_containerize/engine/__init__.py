"""The only code that speaks to Docker."""
