"""Events, results and errors as people read them: plain text, live text, HTML."""
