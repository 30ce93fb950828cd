"""One file an engine: how it is kept from taking what a check calls broken."""
