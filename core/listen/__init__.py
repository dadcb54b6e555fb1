"""`paywharf listen`: a developer's stand-in for a public webhook URL, and a client of the API like any stranger."""
