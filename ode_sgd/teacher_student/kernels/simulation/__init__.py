"""Steps of the SGD: weights in memory, rows of data, and the Markov chain of the overlaps."""
