"""Slow, plain models of what the program does fast; written from the rules, not from the code."""
