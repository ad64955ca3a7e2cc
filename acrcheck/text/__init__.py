"""From pasted or logged text to causes: reading, finding the signatures of cause documents, ranking."""
