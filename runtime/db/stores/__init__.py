"""One store a noun: grouped statements over an open connection, values of `schemas` in and out."""
