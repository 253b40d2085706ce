"""The section of other studies beside this one: rows of what is compared, and what is said of them."""
