"""Where documents become jobs: in one transaction, or not at all."""
