"""The vocabulary that every other floor speaks; standard library only."""
