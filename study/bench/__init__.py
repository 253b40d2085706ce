"""How fast this machine trains: the study's engine against what one would write instead.

``implementations`` of the same training, ``jax_implementation`` the strongest peer, ``worker_pool`` the processes that
time them by turns; ``scaling``, ``ablation`` and ``report`` time whole commands; ``__main__`` is the command.
"""
