"""The roof: public names, the command line, roles, and the yard on one machine."""
