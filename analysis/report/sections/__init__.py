"""The page, part by part: each module makes one part of it, ``part(study, found)``, from results to words.

Tables, figures and sentences of a part read the same objects. A part without data says what to run.
"""
