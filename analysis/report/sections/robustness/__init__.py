"""How robust are the arms? Accuracy and failures over the learning rate, and the rates that each arm bears."""
