"""How well cleaning has worked over a group: benchmarks of denoising, each in its own file."""
