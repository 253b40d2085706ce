"""The engine's contract once more, in C: every run by itself, in one thread, over the lit pixels where that is faster.

``kernel.c`` is the arithmetic, layer by layer in the headers beside it; ``build`` compiles it at first use,
``library`` is the only place where Python hands over an address, ``layout`` says where a parameter lies,
``images`` which form the images take, and ``training`` is the contract. torch (``lockstep``) serves
what this one does not know: a GPU, a machine without a compiler.
"""
