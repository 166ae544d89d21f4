"""The fault laboratory: what breaks a yard on purpose, and what reads afterwards whether it kept its promise.

proxy     a TCP proxy that refuses, swallows, delays, cuts and resets, switched while it runs
nursery   forks roles from one warm process, so that a kill a second can be made good on a small machine
lab       servers, proxies, pretend providers and roles of one yard; signals go to their pids only
nemesis   a seeded hand that kills, stops and restarts, and counts what it did
history   what was accepted, claimed, called and recorded, checked when all is over
"""
