"""The engine in C: every run by itself, in one thread, over the nonzero pixels where that is faster.

``kernel.c`` is the arithmetic, layer by layer in the headers beside it; ``build`` compiles it at first use,
``library`` is the only place where Python hands over an address, ``layout`` has the parameters' places,
``images`` the form of the images, and ``training`` is the contract of every engine. torch (``lockstep``) serves
where this one cannot: a GPU, a machine without a compiler.
"""
