"""Where events go out: signed, to addresses that are checked, until they arrive or everybody sees that they did not."""
