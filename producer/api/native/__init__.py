"""The yard's own API but for handing in: lists, progress, results, decisions, quotes, policies, and steering."""
