"""Functions from a frame of outputs to a frame: costs, estimates, stop reasons, quality and claims."""
