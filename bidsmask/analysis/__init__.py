"""What is done with a run or a group, without nipype."""
