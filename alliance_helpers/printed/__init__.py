"""Tables for reading: rounding, words, and small counts withheld."""
