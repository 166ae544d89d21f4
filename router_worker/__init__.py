"""The router: takes waiting jobs, most urgent first, and decides which provider and model serves each."""
