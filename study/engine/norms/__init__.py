"""The normalisations, one file each: the stacked layer, its twin in torch.nn, what it keeps, how it predicts."""
