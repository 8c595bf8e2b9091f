"""Where the truth is kept: one contract, two dialects. SQL that locks or claims lives here and nowhere else."""
