"""What a person sees of long work: results, progress, seconds per stage."""
