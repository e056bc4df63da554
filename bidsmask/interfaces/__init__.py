"""What other programs have written, by the names of ``nilearn.interfaces``."""
