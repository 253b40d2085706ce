"""The page, section by section: each module makes one of results, ``section(study, results)``.

Tables, figures and sentences of a section read the same objects. A section without data says what to run.
"""
