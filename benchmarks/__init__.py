"""Measurements of Classyard on real data, beside published figures and other people's packages in the same run."""
