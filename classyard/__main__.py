"""`python -m classyard` is `classyard`."""

from classyard.cli import main

if __name__ == "__main__":
    main()
