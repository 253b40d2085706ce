"""How fast this machine trains: the study's engine against what one would write instead.

``ways`` to train the same runs, ``jax_way`` the strongest peer, ``team`` of processes that times them by turns,
``scaling`` of whole commands, ``__main__`` the command.
"""
