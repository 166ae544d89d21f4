"""The database: tables (declared with SQLModel, moved by Alembic) and stores (grouped statements over psycopg).

SQLModel classes never leave this package. What passes its door are the values of `schemas`.
"""
