"""What an update rule does in a sector, as numbers for the kernels: rows of one array (rows, sectors).

    dc_k/dalpha = -rate_k (A c_k + c_k A^T) + noise_k G - decay_k (S c_k + c_k S),     S = diag(1_K, 0_M)

model/rule.py fills them; a block of sectors holds its rows one after the other (blocks.py). Rows at the end that a rule
has no use for may be missing, so that kernels pass over what they are for.
"""

RATE, NOISE, DECAY = 0, 1, 2
PLAIN, FACTORS = 2, 3  # rows of SGD without decay, and all of them

# Of a decay that changes with alpha (kernels/paces.py): decay at the time of a stage, and its derivative by alpha times
# what a stage has of it, both written anew in every stage; and what they are products of, 1 in sectors that learn.
DECAY_FORCED, DECAY_UNIT = 3, 4
TIMED_FACTORS = 5
