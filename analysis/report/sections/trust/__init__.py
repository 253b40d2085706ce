"""How sure is the answer?"""
