"""Services of AWS that the emulator does not have, answered by moto in this process; their state ends with it."""
