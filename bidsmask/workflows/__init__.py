"""The only home of nipype: nodes, wiring, execution."""
