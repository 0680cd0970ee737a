"""Where people and programs meet us: parse, call the workflow, render."""
