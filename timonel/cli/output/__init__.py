"""How results are written: tables, and the forms of `-o`."""
