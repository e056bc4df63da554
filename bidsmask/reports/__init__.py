"""Values in, figures and HTML out."""
