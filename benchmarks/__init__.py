"""How fast, beside a named peer, in one run on one machine: `./sanqu bench [name …]`."""
