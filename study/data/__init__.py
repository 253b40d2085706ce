"""Images and labels: downloaded, checked, split, and in the form that a first layer multiplies."""
