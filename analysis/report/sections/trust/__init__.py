"""Is it trustworthy? What is there, whether another analysis says otherwise, and whether the methods hold."""
