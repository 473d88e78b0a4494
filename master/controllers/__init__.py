"""The controllers: each a pure function from the state around one object to the actions that bring it closer to what is
desired.

`engine` alone queues, carries out, retries and reports. Every module beside the engine's own holds one controller;
`load` finds them.
"""
