"""Is it trustworthy? What there is, whether another analysis says otherwise, and whether the methods hold."""
