"""Images and labels: found, checked, split, and in the form that a first layer multiplies."""
