"""The parts on batch norm at test time: a figure with its table each."""
