"""Arrays in, arrays out: numpy and scipy only; no file was ever heard of here."""
