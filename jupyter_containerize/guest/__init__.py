"""Copied into images and run there; imports nothing of ours."""
