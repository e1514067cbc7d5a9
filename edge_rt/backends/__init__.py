"""One file per native library behind one small protocol."""
