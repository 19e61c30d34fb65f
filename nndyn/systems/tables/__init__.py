"""Tables of text: encoding, separator, rows and columns."""
